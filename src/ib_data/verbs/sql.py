"""`ib-data sql`: a read-only query over the catalog."""

import csv
import json
import math
import sys
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import note, typed
from ib_data.errors import IbDataError, one_line
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option

if TYPE_CHECKING:
    from ib_data.mixtures.catalog.macros import Macro
    from ib_data.mixtures.catalog.relations import Relation


@click.command(name="sql")
@click.argument("query_text", metavar="[QUERY]", required=False)
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True, help="Output."
)
@json_option
@common_options
def command(query_text: str | None, form: str, as_json: bool, home: Home) -> None:
    """Query the catalog with DuckDB, read-only.

    Without QUERY, lists the tables, views and macros of the catalog with their columns. Updates the catalog first if
    datasets were built or deleted. --json is short for --format json.

    \b
    ib-data sql
    ib-data sql "SELECT name, num_annotations, official_size FROM datasets WHERE num_samples > 0"
    ib-data sql "FROM expected_epochs('instructblip', 1_000_000)"
    ib-data sql "SELECT reason, count(*) FROM drops GROUP BY ALL" --format csv
    """
    form = "json" if as_json else form
    if query_text is not None:
        from ib_data.mixtures.catalog.queries import query

        if not home.root.is_dir():
            note(f"{home.root} does not exist, so nothing is built there")
        _print(*query(home, typed(query_text)), form)
    elif form == "table":
        _list_relations()
    else:
        rows = [(name, *column) for name, entry in _relations().items() for column in entry.columns.items()]
        _print(("relation", "column", "type"), rows, form)


def _print(columns: Sequence[str], rows: Sequence[Sequence[Any]], form: str) -> None:
    from ib_data.console import table

    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *([_text(value) for value in row] for row in rows)])
    elif form == "json":
        if twice := [name for i, name in enumerate(columns) if name in columns[:i]]:
            raise IbDataError(f"sql: two columns are called {twice[0]!r}; rename one with AS")
        records = [{name: _plain(value) for name, value in zip(columns, row, strict=True)} for row in rows]
        click.echo(json.dumps(records, ensure_ascii=False, indent=1))
    else:
        click.echo(table(columns, [[_cell(value) for value in row] for row in rows]))


def _relations() -> "dict[str, Relation | Macro]":
    """Everything that a query can read from, by its name in SQL."""
    from ib_data.mixtures.catalog.macros import MACROS
    from ib_data.mixtures.catalog.relations import RELATIONS

    return {**RELATIONS, **{f"{name}({macro.parameters})": macro for name, macro in MACROS.items()}}


def _list_relations() -> None:
    """Print each relation with its description, and its columns below."""
    for name, entry in _relations().items():
        click.echo(f"{name}: {entry.about}")
        indent = " " * 4
        click.echo(textwrap.fill(", ".join(entry.columns), 100, initial_indent=indent, subsequent_indent=indent))


def _plain(value: Any) -> Any:
    """A value as JSON, at any depth: nan and inf by name, bytes in hexadecimal, times as text."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    is_json = value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_json else str(value)


def _key(value: Any) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _text(value: Any) -> Any:
    """A value for a cell: lists and structs as JSON, bytes in hexadecimal."""
    if isinstance(value, dict | list | tuple):
        return json.dumps(_plain(value), ensure_ascii=False)
    return value.hex() if isinstance(value, bytes) else value


def _cell(value: Any) -> object:
    """A value for the table: texts and lists on one line, without control characters."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return one_line(str(_text(value)), 80)
