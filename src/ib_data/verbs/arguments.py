"""Options shared by several verbs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ib_data.console import QUIET, VERBOSE, set_verbosity
from ib_data.home import Home
from ib_data.settings import settings_of
from ib_data.stream_options import StreamOptions
from ib_data.verbs.own_datasets import datasets_option

# 60K steps of 128 samples: the Vicuna-7B run (arXiv 2305.06500, section 2.5).
_PAPER_SAMPLES = 7_680_000
F = TypeVar("F", bound=Callable[..., Any])


def common_options(function: F) -> F:
    """Adds the options of every verb: `--home DIR` (the verb receives `home: Home`), `--datasets DIR`, `-q`, `-v`."""
    for option in (
        click.option(
            "-v", "--verbose", is_flag=True, expose_value=False, callback=_verbosity, help="Also print debug lines."
        ),
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            expose_value=False,
            callback=_verbosity,
            help="Print results and errors only.",
        ),
        click.option(
            "--home",
            type=click.Path(path_type=Path),
            metavar="DIRECTORY",
            callback=_home,
            help="Folder that ib-data writes to. [default: IB_DATA_HOME, else ~/ib_data]",
        ),
    ):
        function = option(function)
    return datasets_option(function)


def _verbosity(_context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        set_verbosity(VERBOSE if option.name == "verbose" else QUIET)


def _home(_context: click.Context, _option: click.Parameter, value: Path | None) -> Home:
    return Home.find(value)


def json_option(function: F) -> F:
    """Adds `--json`; the verb receives `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def samples_option(function: F) -> F:
    """Adds `--samples N`; the verb receives `samples: int`."""
    return click.option(
        "--samples",
        type=click.IntRange(1, 2**60),
        default=_PAPER_SAMPLES,
        show_default=True,
        help="Number of samples in the run.",
    )(function)


def split_option(function: F) -> F:
    """Adds `--split NAME`; the verb receives `split: str | None`."""
    return click.option(
        "--split", type=click.Choice(["train", "validation", "test"]), help="This split instead of the default splits."
    )(function)


def templates_option(function: F) -> F:
    """Adds `--templates DIR`; the verb receives `folder: Path | None`."""
    return click.option(
        "--templates",
        "folder",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help=settings_of(StreamOptions)["templates"].help,
    )(function)
