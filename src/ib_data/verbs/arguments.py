"""Options that many verbs share."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ib_data.console import QUIET, VERBOSE, note, set_verbosity
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home

if TYPE_CHECKING:
    from ib_data.cards import Card

GROUPS = ("all", "held-in", "held-out")
# 60K steps of 128 samples: the Vicuna-7B run (arXiv 2305.06500, section 2.5).
_PAPER_SAMPLES = 7_680_000
F = TypeVar("F", bound=Callable[..., Any])


def home_option(function: F) -> F:
    """Adds what every verb has: `--home DIR` (the verb receives `home: Home`), `-q` and `-v`."""
    for option in (
        click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=_verbosity, help="Debug lines too."),
        click.option(
            "-q", "--quiet", is_flag=True, expose_value=False, callback=_verbosity, help="Only results and errors."
        ),
        click.option(
            "--home",
            type=click.Path(path_type=Path),
            metavar="DIRECTORY",
            callback=_home,
            help="Folder of everything ib-data makes. [default: IB_DATA_HOME, else ~/ib_data]",
        ),
    ):
        function = option(function)
    return function


def _verbosity(_context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        set_verbosity(VERBOSE if option.name == "verbose" else QUIET)


def _home(_context: click.Context, _option: click.Parameter, value: Path | None) -> Home:
    """The home, which need not exist yet; IbDataError where it, or a folder above it, is a file."""
    home = Home.find(value)
    for path in (home.root, *home.root.parents):
        if path.exists() and not path.is_dir():
            raise IbDataError(f"{home.root} cannot be a home: {path} is not a folder; name another --home")
    return home


def json_option(function: F) -> F:
    """Adds `--json`; the verb receives `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def samples_option(function: F) -> F:
    """Adds `--samples N`; the verb receives `samples: int`."""
    return click.option(
        "--samples", type=click.IntRange(1, 2**60), default=_PAPER_SAMPLES, show_default=True, help="Length of the run."
    )(function)


def split_option(function: F) -> F:
    """Adds `--split NAME`; the verb receives `split: str | None`."""
    return click.option(
        "--split", type=click.Choice(["train", "validation", "test"]), help="One split instead of the default splits."
    )(function)


def templates_option(function: F) -> F:
    """Adds `--templates DIR`; the verb receives `folder: Path | None`."""
    return click.option(
        "--templates",
        "folder",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of TASK.toml files to use instead of the packaged ones.",
    )(function)


def named_cards(names: Iterable[str]) -> "list[Card]":
    """The cards behind NAMES (datasets, held-in, held-out, all), each once, in order.

    Raises IbDataError for an unknown name, before anything is done.
    """
    from ib_data.cards import card_names, find_card

    wanted = {}
    for name in names:
        for card in map(find_card, card_names() if name in GROUPS else [name]):
            if name not in GROUPS or name in ("all", card.role):
                wanted[card.name] = card
    return list(wanted.values())


def stored_cards(names: Iterable[str]) -> "list[Card]":
    """As `named_cards`, a view as the dataset that stores it."""
    from ib_data.cards import find_card

    return list({card.stored_as: find_card(card.stored_as) for card in named_cards(names)}.values())


def nothing_built(home: Home, names: Sequence[str]) -> IbDataError:
    """The error where groups were named and nothing of them is built."""
    return IbDataError(f"nothing of {', '.join(names)} is built in {home.root}; run `ib-data build {names[0]}`")


def built_cards(home: Home, names: Sequence[str], split: str | None = None) -> "list[Card]":
    """As `named_cards`, without those of a group that are not built or lack the split: a note each names them.

    Raises IbDataError where this is so of a dataset that is itself among NAMES, and where none is left.
    """
    cards = named_cards(names)  # first of all: an unknown name needs no pyarrow
    from ib_data.templates.pick import NoSplitError, NotBuiltError, built_split

    found: list[Card] = []
    missing: list[str] = []
    lacking: list[str] = []
    for card in cards:
        try:
            built_split(home, card, split)
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
