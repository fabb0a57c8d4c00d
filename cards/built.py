"""Opening a built split of a dataset or a view; by default the one that the paper used."""

from ib_data.cards.card import Card, find_card
from ib_data.errors import UnknownNameError
from ib_data.home import Home
from ib_data.stored.built_split import BuiltSplit, NotBuiltError, open_built
from ib_data.stored.store import Store


class NoSplitError(NotBuiltError):
    """The dataset has no such split; the message names its splits."""

    exit_code = UnknownNameError.exit_code


def open_split(
    place: Home | Store, dataset: Card | str, split: str | None = None, *, verify: bool = True
) -> BuiltSplit:
    """Open a built split in a home or an object store; by default the one that the paper used, else the first built.

    A damaged split is an error and not skipped. A view opens the split of its base. `verify` as in `open_built`. Raises
    UnknownNameError for an unknown dataset, NoSplitError for a split that it does not have, NotBuiltError (with the
    command to run) and DataError for an unusable manifest.
    """
    card = find_card(dataset) if isinstance(dataset, str) else dataset
    if split is not None and split not in card.splits:
        raise NoSplitError(f"{card.name} has no split {split!r}; it has {', '.join(card.splits)}")
    first: NotBuiltError | None = None
    for name in dict.fromkeys((card.used_split, *card.splits)) if split is None else (split,):
        try:
            return open_built(place, card.stored_as, name, verify=verify)
        except NotBuiltError as error:
            first = first or error
    assert first is not None
    raise NotBuiltError(f"{first} ({card.name} is a view of {card.view_of})") if card.view_of else first
