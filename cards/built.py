"""The built split of a dataset or a view, where it is not said which: the one that the paper used, if it is built."""

from ib_data.cards.card import Card, find_card
from ib_data.errors import UnknownNameError
from ib_data.home import Home
from ib_data.stored.built_split import BuiltSplit, NotBuiltError, open_built
from ib_data.stored.store import Store


class NoSplitError(NotBuiltError):
    """A split that the dataset does not have, so that no build brings it; the message names those that it has."""

    exit_code = UnknownNameError.exit_code


def open_split(
    place: Home | Store, dataset: Card | str, split: str | None = None, *, verify: bool = True
) -> BuiltSplit:
    """The split of a dataset that is built in a home or an object store, by default the one that the paper used.

    Where that one is not built, the first other one that is; a damaged one is not passed over. A view opens the split
    of its base. `verify` as in `open_built`. Raises IbDataError for a name that is not known, NoSplitError for a split
    that the dataset does not have, NotBuiltError that says what to run, DataError for a manifest that cannot be used.
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
