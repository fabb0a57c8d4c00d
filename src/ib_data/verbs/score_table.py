"""The scores of a report on the terminal."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ib_data.console import note, table

# Columns of the table with --shuffle-images only.
OF_SHUFFLED = ("other images", "image adds")


def show_report(report: dict[str, Any], names: Sequence[str], folder: Path, as_json: bool) -> None:
    """Print the warnings about datasets of a report, and their scores as a table or as JSON without single cases."""
    from ib_data.evaluation.report.report import warnings_of

    datasets = {name: report["datasets"][name] for name in names if name in report["datasets"]}
    for line in warnings_of(datasets):
        note(line)
    if as_json:
        shown = {
            name: {key: value for key, value in values.items() if key not in ("examples", "failures")}
            for name, values in datasets.items()
        }
        click.echo(
            json.dumps(
                {**report, "warnings": warnings_of(datasets), "datasets": shown, "folder": str(folder)}, indent=1
            )
        )
        return
    rows = [score_row(name, values) for name, values in datasets.items()]
    columns = [name for name in rows[0] if name not in OF_SHUFFLED or any(row[name] != "-" for row in rows)]
    click.echo(table(columns, [[row[name] for name in columns] for row in rows]))
    click.echo(f"report {folder / 'report.html'}")


def score_row(name: str, values: dict[str, Any]) -> dict[str, object]:
    """The cells of a dataset in a table of scores, by column; `values` are those of its report."""
    from ib_data.evaluation.report.numbers import shown

    metric, counts, other = values["metric"], values["counts"], values["shuffled"]
    ends = [shown(metric, end, 2) for end in values["interval"] or ()]
    return {
        "dataset": name,
        "split": values["split"],
        "method": values["method"],
        "metric": f"{metric} ({values['profile']})" if values["profile"] else metric,
        "score": "hidden" if values["score"] is None else shown(metric, values["score"], 2),
        "95 % interval": " to ".join(ends) or "-",
        "other images": shown(metric, other["score"], 2) if other else "-",
        "image adds": _added(metric, other) if other else "-",
        "cases": counts["cases"],
        "failed": counts["failed"],
    }


def _added(metric: str, other: dict[str, Any]) -> str:
    """What the own images add to the score, with the interval: +10.20 (1.00 to 20.10)."""
    from ib_data.evaluation.report.numbers import shown, signed

    ends = " to ".join(shown(metric, end, 2) for end in other["interval"] or ())
    added = signed(metric, other["from_image"], 2)
    return f"{added} ({ends})" if ends else added
