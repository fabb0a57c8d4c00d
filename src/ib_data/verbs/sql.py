"""`ib-data sql`: a read-only query over the catalog."""

import csv
import json
import sys
from typing import Any

import click

from ib_data.home import Home
from ib_data.verbs.options import home_option


@click.command(name="sql")
@click.argument("query_text", metavar="QUERY")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@home_option
def command(query_text: str, form: str, home: Home) -> None:
    """A read-only DuckDB query over the catalog.

    Relations: datasets, shards, samples, annotations, drops, templates, mixture_members. They stand over the indices
    of what is built, and are brought up to date first.

    \b
    ib-data sql "SELECT name, num_annotations, official_size FROM datasets WHERE num_samples > 0"
    ib-data sql "SUMMARIZE samples" --format json
    ib-data sql "SELECT reason, count(*) FROM drops GROUP BY ALL" --format csv
    """
    from ib_data.console import table
    from ib_data.mixtures.catalog import query

    columns, rows = query(home, query_text)
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *rows])
    elif form == "json":
        records = [{name: _plain(value) for name, value in zip(columns, row, strict=True)} for row in rows]
        click.echo(json.dumps(records, ensure_ascii=False, indent=1, default=str))
    else:
        click.echo(table(columns, [[_cell(value) for value in row] for row in rows]))


def _plain(value: Any) -> Any:
    """A value as JSON has it: a number that is none (nan, inf) as its name."""
    return str(value) if isinstance(value, float) and not abs(value) < float("inf") else value


def _cell(value: Any) -> object:
    """A value for the table; texts and lists on one line, without what a terminal would obey."""
    from ib_data.errors import one_line

    if value is None or isinstance(value, bool | int | float):
        return value
    return one_line(value if isinstance(value, str) else str(value), 80)
