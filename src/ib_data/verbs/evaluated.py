"""The datasets that `ib-data evaluate` is to score."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ib_data.console import note
from ib_data.errors import IbDataError, WrongUsageError
from ib_data.home import Home

if TYPE_CHECKING:
    from ib_data.evaluation.protocols.protocol import Protocol


def protocols_of(home: Home, names: tuple[str, ...], split: str | None, changes: dict[str, Any]) -> "list[Protocol]":
    """The protocols of all built datasets that NAMES stand for. Notes list members of groups that are not built.

    Raises NotBuiltError for a dataset given by name, also if only its vocabulary is not built, and if nothing of the
    groups is built.
    """
    from ib_data.cards.named import GROUPS, named_cards
    from ib_data.evaluation.protocols.read import protocol_of
    from ib_data.evaluation.run.vocabulary import require_vocabulary
    from ib_data.stored.built_split import NotBuiltError, open_built
    from ib_data.verbs.built import nothing_built

    found: list[Protocol] = []
    missing: list[str] = []
    left_out: list[str] = []
    for card in named_cards(names):
        try:
            protocol = _changed(protocol_of(card, split=split), changes, is_named=card.name in names)
        except IbDataError as error:
            if card.name in names:
                raise
            left_out.append(str(error))
            continue
        try:
            open_built(home, card.stored_as, protocol.split)
            require_vocabulary(home, card, protocol)
            found.append(protocol)
        except NotBuiltError as error:
            if card.name in names:
                raise
            is_split = not home.split(card.stored_as, protocol.split).exists()
            (missing if is_split else left_out).append(f"{card.name}/{protocol.split}" if is_split else str(error))
    if missing:
        note(f"left out because not built: {', '.join(missing)}; `ib-data build NAME --split SPLIT` builds one")
    for problem in left_out:
        note(f"left out: {problem}")
    if not found:
        raise nothing_built(home, [name for name in names if name in GROUPS])
    return found


def _changed(protocol: "Protocol", changes: Mapping[str, Any], *, is_named: bool) -> "Protocol":
    """The protocol with the options of the command line; a member of a group takes only those of its own method.

    Raises IbDataError for a method or a profile that the dataset does not have, and WrongUsageError for options of
    ranking if a dataset given by name generates its answers.
    """
    from ib_data.cards import load_card
    from ib_data.evaluation.protocols.read import protocol_of

    card, chosen = load_card(protocol.dataset), dict(changes)
    method = chosen.get("method", protocol.method)
    for name in ("normalisation", "aggregation") if method == "generate" else ():
        if chosen.pop(name, None) is not None and is_named:
            remedy = "add --method rank" if "rank" in card.evaluation else "leave it out"
            why = f"--{name} is for ranked candidates, its answers are generated"
            raise WrongUsageError(f"{protocol.dataset}: {why}; {remedy}")
    return protocol_of(card, split=protocol.split, **chosen)
