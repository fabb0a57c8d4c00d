"""Sequences that belong together."""

from collections.abc import Sized


def require_aligned(**sequences: Sized) -> None:
    """Raise ValueError unless all `sequences` have one length; the message says how long each is."""
    lengths = {name: len(sequence) for name, sequence in sequences.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise ValueError(f"one entry per example is needed in each; found {found}")
