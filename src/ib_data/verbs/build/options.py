"""The options of `ib-data build`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ib_data.builders.write.build_options import Options
from ib_data.settings import settings_of
from ib_data.verbs.derived import option_of

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--source",
        "sources",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Folder or file with official files you already have: annotation files anywhere under it, images in their "
        "official folders. Repeatable.",
    ),
    click.option(
        "--mirror", metavar="URL", help="Fetch every official file from URL/host/path (file:, http: or https:)."
    ),
    click.option("--from-hub", is_flag=True, help="Read the rows from the Hugging Face mirror named on the card."),
    click.option("--mini", is_flag=True, help=settings_of(Options)["miniature"].help),
    option_of(Options, "mini_size"),
    option_of(Options, "limit", metavar="N"),
    option_of(Options, "workers", metavar="N", default=os.cpu_count() or 1, show_default="all cores"),
    click.option(
        "--engine", type=click.Choice(["local"]), default="local", show_default=True, help="Where workers run."
    ),
    click.option("--no-media", is_flag=True, help="Build annotations without images or clips."),
    option_of(Options, "allow_missing"),
    option_of(Options, "drop_repeated", metavar="N"),
    click.option(
        "--dry-run", is_flag=True, help="List where every file would come from and its size; fetch and write nothing."
    ),
    option_of(Options, "replace", allow_from_autoenv=False),
    option_of(Options, "max_side", metavar="PX"),
)


def build_options(function: F) -> F:
    """Adds all options of a build except names, split and home; the verb receives each by its name."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
