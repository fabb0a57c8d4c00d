"""The built datasets that the names given to a verb stand for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ib_data.console import note
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home

if TYPE_CHECKING:
    from ib_data.cards import Card


def nothing_built(home: Home, names: Sequence[str]) -> IbDataError:
    """The error to raise if nothing is built of the named datasets or groups."""
    return IbDataError(f"nothing of {', '.join(names)} is built in {home.root}; run `ib-data build {names[0]}`")


def built_cards(home: Home, names: Sequence[str], split: str | None = None) -> "list[Card]":
    """The cards of the built datasets among `names`. A note lists skipped members of groups and why.

    Raises IbDataError if a dataset given by its own name is not built or lacks the split, or if no dataset is left.
    """
    from ib_data.cards.named import named_cards

    cards = named_cards(names)  # first, so that an unknown name fails before pyarrow is imported
    from ib_data.cards.built import NoSplitError, open_split
    from ib_data.stored.built_split import NotBuiltError

    found: list[Card] = []
    missing: list[str] = []
    lacking: list[str] = []
    for card in cards:
        try:
            open_split(home, card, split)
            found.append(card)
        except NotBuiltError as error:
            if card.name in names:
                raise
            (lacking if isinstance(error, NoSplitError) else missing).append(card.name)
        except DataError:  # damaged: the caller reports it and continues with the others
            found.append(card)
    if not found and not missing:
        raise IbDataError(f"none of {', '.join(names)} has a split {split!r}")
    if not found:
        raise nothing_built(home, names)
    if missing:
        note(f"left out because not built: {', '.join(missing)}")
    if lacking:
        note(f"left out because they have no split {split!r}: {', '.join(lacking)}")
    return found
