"""Options that many verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ib_data.home import Home

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
