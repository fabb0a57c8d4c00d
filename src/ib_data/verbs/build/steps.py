"""The output of `ib-data build --dry-run`: where every input would come from, and how much would be fetched."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import Size, printable, table

if TYPE_CHECKING:
    from ib_data.builders.write.dry_run import Step


def report_steps(steps: "Sequence[tuple[str, Step]]", as_json: bool) -> None:
    """Print where every input would come from, and how much would be fetched."""
    from ib_data.builders.write.dry_run import needs_of_steps

    if as_json:
        click.echo(json.dumps([_plain(name, step) for name, step in steps], indent=1, ensure_ascii=False))
        return
    rows = [
        (
            f"{name}/{step.split}",
            printable(step.origin.what),
            step.origin.num_files or None,
            None if not step.num_bytes else Size(step.num_bytes),
            printable(step.origin.place),
            printable(step.origin.why),
        )
        for name, step in steps
    ]
    click.echo(table(("dataset", "input", "files", "size", "where", "why"), rows))
    click.echo(needs_of_steps(steps).line or "nothing to fetch")


def _plain(name: str, step: "Step") -> dict[str, Any]:
    origin = step.origin
    return {
        "dataset": name,
        "split": step.split,
        "input": origin.what,
        "files": origin.num_files,
        "bytes_to_fetch": step.num_bytes,
        "where": origin.place,
        "why": origin.why,
    }
