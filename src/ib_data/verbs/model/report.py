"""Printing what `model merge` and `model new` did."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ib_data.console import note

F = TypeVar("F", bound=Callable[..., Any])


def start_options(function: F) -> F:
    """Adds `--qformer-tokenizer`, `--seed` and `--out`."""
    for option in (
        click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write; must be empty."),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random values."),
        click.option(
            "--qformer-tokenizer",
            "tokenizer",
            metavar="DIR",
            help="Folder or hub id of the Q-Former's tokenizer, if no other folder has it.",
        ),
    ):
        function = option(function)
    return function


def print_report(report: dict[str, Any], out: Path, as_json: bool) -> None:
    """Print a report as JSON, or as a table with one row for all tensors of the same origin."""
    if as_json:
        click.echo(json.dumps(report, indent=1))
        return
    from ib_data.training.weights.plan import report_lines

    click.echo(report_lines(report))
    counts = ", ".join(f"{number:,} {kind}" for kind, number in report["counts"].items())
    click.echo(f"tensors: {counts}")
    note(f"{out} is complete; every tensor is listed in {out / 'merge.json'}: `ib-data model show {out}`")
