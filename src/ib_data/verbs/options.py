"""Options that many verbs share."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ib_data.home import Home

if TYPE_CHECKING:
    from ib_data.cards import Card

GROUPS = ("all", "held-in", "held-out")
F = TypeVar("F", bound=Callable[..., Any])


def home_option(function: F) -> F:
    """Adds `--home DIR`; the verb receives `home: Home`."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        callback=lambda _context, _option, value: Home.find(value),
        help="Folder of everything ib-data makes. [default: IB_DATA_HOME, else ~/ib_data]",
    )(function)


def json_option(function: F) -> F:
    """Adds `--json`; the verb receives `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def split_option(function: F) -> F:
    """Adds `--split NAME`; the verb receives `split: str | None`."""
    return click.option(
        "--split", type=click.Choice(["train", "validation", "test"]), help="One split instead of the default ones."
    )(function)


def templates_option(function: F) -> F:
    """Adds `--templates DIR`; the verb receives `folder: Path | None`."""
    return click.option(
        "--templates",
        "folder",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of TASK.toml files that take the place of the ones that come along.",
    )(function)


def stored_cards(names: Iterable[str]) -> "list[Card]":
    """The cards behind NAMES (datasets, held-in, held-out, all), each once, a view as the dataset that stores it.

    Raises IbDataError for an unknown name, before anything is done.
    """
    from ib_data.cards import card_names, find_card

    wanted = {}
    for name in names:
        for card in map(find_card, card_names() if name in GROUPS else [name]):
            if name not in GROUPS or name in ("all", card.role):
                wanted[card.stored_as] = find_card(card.stored_as)
    return list(wanted.values())
