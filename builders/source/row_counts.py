"""Detecting the file of another split by its number of rows."""

from ib_data.builders.source.files import Files
from ib_data.cards import Split, load_card
from ib_data.console import note


def tell_count(files: Files, split: Split, num_rows: int, num_kept: int) -> None:
    """Print a note if a source has as many rows as another split on the card, or more annotations than this one.

    `num_rows` includes dropped rows, `num_kept` does not: cards count either. Never an error, since part of a split can
    have any number of rows. The card's numbers are those of the first form of a source.
    """
    card, own = load_card(files.dataset), split.num_annotations
    counts = (num_rows, num_kept)
    if own is None or own in counts or (card.forms and files.form != card.forms[0]):
        return
    what = f"{files.dataset}/{split.name}: {files.names()}"
    for other in card.splits.values():
        if other.num_annotations in counts:
            found = f"{other.num_annotations:,} rows, as many as the official split {other.source_name} ({other.name})"
            note(f"{what}: {found}, and not {own:,}; is this the file of another split?")
            return
    if num_kept > own:
        found = f"{num_kept:,} annotations, more than the {own:,} of the official split {split.source_name}"
        note(f"{what}: {found}; is this a file of another version, or of another split?")
