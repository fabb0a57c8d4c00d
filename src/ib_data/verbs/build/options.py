"""The options of `ib-data build`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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
    click.option(
        "--mini", is_flag=True, help="Build from the bundled miniature: drawn images in the official formats."
    ),
    click.option(
        "--mini-size",
        type=click.IntRange(1, 100_000),
        default=40,
        show_default=True,
        help="Number of images in the largest archive of the miniature; the others scale with it.",
    ),
    click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N images or clips of each split."
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        default=os.cpu_count() or 1,
        show_default="all cores",
        help="Processes that write shards.",
    ),
    click.option(
        "--engine", type=click.Choice(["local"]), default="local", show_default=True, help="Where workers run."
    ),
    click.option("--no-media", is_flag=True, help="Build annotations without images or clips."),
    click.option(
        "--allow-missing", is_flag=True, help="Drop and count samples whose image or clip is missing or broken."
    ),
    click.option(
        "--drop-repeated",
        type=click.IntRange(min=2),
        metavar="N",
        help="Drop and count web images that N or more URLs share byte for byte (placeholders).",
    ),
    click.option(
        "--dry-run", is_flag=True, help="List where every file would come from and its size; fetch and write nothing."
    ),
    click.option(
        "--replace",
        is_flag=True,
        allow_from_autoenv=False,
        help="Replace an existing build even if it holds more annotations or media, or has another form.",
    ),
    click.option(
        "--max-side", type=click.IntRange(min=16), metavar="PX", help="Downscale images whose longer side is above PX."
    ),
)


def build_options(function: F) -> F:
    """Adds all options of a build except names, split and home; the verb receives each by its name."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
