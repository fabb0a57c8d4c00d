"""Epochs of each member of a mixture: seen so far, and expected over a whole run."""

from ib_data.mixtures.spec.weights import drawn_samples
from ib_data.mixtures.stream.stream import Stream


def member_epochs(stream: Stream, position: int, end: int) -> dict[str, dict[str, float]]:
    """For each member that is drawn, epochs `seen` before `position`, and `expected` in a run of `end` positions.

    An epoch is each sampling unit of what is built once. `seen` follows exactly from the order of the stream, so it is
    the same for every world size and after a resume; `expected` is from the quotas. 1 ms at any position.
    """
    seen, expected = stream.schedule.num_drawn(position), drawn_samples(stream.mixture, end)
    sizes = stream.schedule.sizes
    return {name: {"seen": seen[name] / size, "expected": expected[name] / size} for name, size in sizes.items()}
