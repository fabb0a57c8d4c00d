"""`ib-data sql`: a read-only query over the catalog."""

import csv
import json
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ib_data.home import Home
from ib_data.verbs.options import home_option

if TYPE_CHECKING:
    from ib_data.mixtures.catalog_macros import Macro
    from ib_data.mixtures.catalog_relations import Relation


@click.command(name="sql")
@click.argument("query_text", metavar="[QUERY]", required=False)
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@home_option
def command(query_text: str | None, form: str, home: Home) -> None:
    """A read-only DuckDB query over the catalog.

    Without QUERY, the relations and macros of the catalog with their columns. They stand over the indices of what is
    built, and are brought up to date first.

    \b
    ib-data sql
    ib-data sql "SELECT name, num_annotations, official_size FROM datasets WHERE num_samples > 0"
    ib-data sql "FROM expected_epochs('instructblip', 1_000_000)"
    ib-data sql "SELECT reason, count(*) FROM drops GROUP BY ALL" --format csv
    """
    if query_text is not None:
        from ib_data.mixtures.catalog import query

        _print(*query(home, query_text), form)
    elif form == "table":
        _list_relations()
    else:
        rows = [(name, *column) for name, entry in _relations().items() for column in entry.columns.items()]
        _print(("relation", "column", "type"), rows, form)


def _print(columns: Sequence[str], rows: Sequence[Sequence[Any]], form: str) -> None:
    from ib_data.console import table

    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *rows])
    elif form == "json":
        records = [{name: _plain(value) for name, value in zip(columns, row, strict=True)} for row in rows]
        click.echo(json.dumps(records, ensure_ascii=False, indent=1, default=str))
    else:
        click.echo(table(columns, [[_cell(value) for value in row] for row in rows]))


def _relations() -> "dict[str, Relation | Macro]":
    """All that a query can read, by the name that it is called by there."""
    from ib_data.mixtures.catalog_macros import MACROS
    from ib_data.mixtures.catalog_relations import RELATIONS

    return {**RELATIONS, **{f"{name}({macro.parameters})": macro for name, macro in MACROS.items()}}


def _list_relations() -> None:
    """Print each relation with what a row of it is, and its columns below."""
    for name, entry in _relations().items():
        click.echo(f"{name}: {entry.about}")
        indent = " " * 4
        click.echo(textwrap.fill(", ".join(entry.columns), 100, initial_indent=indent, subsequent_indent=indent))


def _plain(value: Any) -> Any:
    """A value as JSON has it: a number that is none (nan, inf) as its name."""
    return str(value) if isinstance(value, float) and not abs(value) < float("inf") else value


def _cell(value: Any) -> object:
    """A value for the table; texts and lists on one line, without what a terminal would obey."""
    from ib_data.errors import one_line

    if value is None or isinstance(value, bool | int | float):
        return value
    return one_line(value if isinstance(value, str) else str(value), 80)
