"""The `--datasets` option: folders with your own datasets."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def datasets_option(function: F) -> F:
    """Adds `--datasets DIR`: the command and its workers also use the cards, builders, templates and mixtures there."""
    return click.option(
        "--datasets",
        multiple=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIRECTORY",
        is_eager=True,
        expose_value=False,
        callback=_use_datasets,
        help="Folder with your own cards and builders. Repeatable. [default: IB_DATA_DATASETS]",
    )(function)


def _use_datasets(context: click.Context, _option: click.Parameter, folders: tuple[Path, ...]) -> None:
    if not folders:
        return
    from ib_data.cards.roots import VARIABLE, use_folders

    before = use_folders(folders)

    def restore() -> None:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before

    context.call_on_close(restore)
