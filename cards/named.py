"""The cards for names on the command line: datasets, or groups of them."""

from collections.abc import Iterable

from ib_data.cards.card import Card, card_names, find_card

GROUPS = ("all", "held-in", "held-out")


def named_cards(names: Iterable[str]) -> list[Card]:
    """The cards of datasets and GROUPS, each once, in order; UnknownNameError for an unknown name."""
    wanted = {}
    for name in names:
        for card in map(find_card, card_names() if name in GROUPS else [name]):
            if name not in GROUPS or name in ("all", card.role):
                wanted[card.name] = card
    return list(wanted.values())


def stored_cards(names: Iterable[str]) -> list[Card]:
    """As `named_cards`, with each view replaced by its base."""
    return list({card.stored_as: find_card(card.stored_as) for card in named_cards(names)}.values())
