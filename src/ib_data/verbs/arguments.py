"""Options that many verbs share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ib_data.console import note
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.verbs.own_datasets import datasets_option

if TYPE_CHECKING:
    from ib_data.cards import Card

# 60K steps of 128 samples: the Vicuna-7B run (arXiv 2305.06500, section 2.5).
_PAPER_SAMPLES = 7_680_000
F = TypeVar("F", bound=Callable[..., Any])


def home_option(function: F) -> F:
    """Adds `--home DIR` and `--datasets DIR`; the verb receives `home: Home`."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path),
        metavar="DIRECTORY",
        callback=_home,
        help="Folder of everything ib-data makes. [default: IB_DATA_HOME, else ~/ib_data]",
    )(datasets_option(function))


def _home(_context: click.Context, _option: click.Parameter, value: Path | None) -> Home:
    """The home, which need not be there yet; IbDataError where a file stands in its place or above it."""
    home = Home.find(value)
    for path in (home.root, *home.root.parents):
        if path.exists() and not path.is_dir():
            raise IbDataError(f"{home.root} cannot be a home: {path} is no folder; name another --home")
    return home


def json_option(function: F) -> F:
    """Adds `--json`; the verb receives `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def samples_option(function: F) -> F:
    """Adds `--samples N`; the verb receives `samples: int`."""
    return click.option(
        "--samples", type=click.IntRange(1, 2**60), default=_PAPER_SAMPLES, show_default=True, help="Run length."
    )(function)


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


def nothing_built(home: Home, names: Sequence[str]) -> IbDataError:
    """The error where groups were named and nothing of them is built."""
    return IbDataError(f"nothing of {', '.join(names)} is built in {home.root}; run `ib-data build {names[0]}`")


def built_cards(home: Home, names: Sequence[str], split: str | None = None) -> "list[Card]":
    """As `named_cards`, without those of a group that are not built or lack the split: a note each names them.

    Raises IbDataError where this is so of a dataset that is itself among NAMES, and where none is left.
    """
    from ib_data.cards.named import named_cards

    cards = named_cards(names)  # first of all: an unknown name needs no pyarrow
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
        except DataError:  # is built, and damaged: whoever reads it says so, and goes on with the others
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
