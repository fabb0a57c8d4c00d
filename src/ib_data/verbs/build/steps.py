"""The output of `ib-data build --dry-run`: where every input would come from, and how much would be fetched."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import Size, count_text, printable, size_text, table

if TYPE_CHECKING:
    from ib_data.builders.write.dry_run import Step


def report_steps(steps: "Sequence[tuple[str, Step]]", as_json: bool) -> None:
    """Print where every input would come from, and how much would be fetched."""
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
    wanted = {step.origin.place: step for _, step in steps if step.num_bytes != 0}
    unknown = sum(step.origin.num_files for step in wanted.values() if step.num_bytes is None)
    more = f" and {count_text(unknown, 'file')} of unknown size" if unknown else ""
    num_bytes = sum(step.num_bytes or 0 for step in wanted.values())
    click.echo(f"to fetch: {size_text(num_bytes)}{more}" if wanted else "nothing to fetch")


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
