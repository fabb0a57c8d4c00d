"""Queries of the catalog: one read-only statement, which can open only the files of built splits."""

import json
import re
from typing import Any

import duckdb

from ib_data.cards import card_names, load_card
from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.catalog.file import opened
from ib_data.mixtures.catalog.holdings import Lost
from ib_data.mixtures.catalog.messages import in_short
from ib_data.mixtures.catalog.relations import SKIP_DAMAGED
from ib_data.mixtures.catalog.views import glob_escaped, literal, view_files

_ONE_SELECT = "`ib-data sql` runs one SELECT (or FROM, DESCRIBE, SUMMARIZE, SHOW) and changes nothing"
# DuckDB splits it into two statements, the first of which creates a type.
_OPEN_PIVOT = "PIVOT without named values is not allowed; name them: PIVOT ... ON column IN ('a', 'b')"
_WITH_TIME_ZONE = re.compile("TIMESTAMP WITH TIME ZONE|TIMESTAMPTZ_NS")


def query(home: Home, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The column names and all rows of one SELECT over the catalog, which is rebuilt first if it is out of date.

    The statement can read the catalog and the Parquet files of built splits, no other file and no network, and cannot
    write. Damaged splits are left out, with a note, unless the query names their dataset: then it raises their error.
    Raises IbDataError, in one line, for any other statement and for an SQL error, and KeyboardInterrupt if the user
    stops it.
    """
    with opened(home) as connection:
        try:
            _skip_damaged(connection, sql)
            _lock_down(connection, home)
            _require_one_select(connection, sql)
            result = connection.sql(sql)
            return result.columns, _with_times_as_text(result).fetchall()
        except duckdb.InterruptException as error:
            raise KeyboardInterrupt from error
        except RuntimeError as error:  # DuckDB's error for Ctrl-C; any other is ours
            if "interrupted" not in str(error).lower():
                raise
            raise KeyboardInterrupt from error
        except duckdb.Error as error:
            # SQL errors have a subclass; the Parquet reader raises this one, without the file's name.
            hint = "; a file may be damaged: `ib-data check` names it" if type(error) is duckdb.Error else ""
            raise IbDataError(f"sql: {in_short(error)}{hint}") from error


def _skip_damaged(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Leave out damaged splits, with a note for each, unless the query names their dataset: then it must fail.

    Notes concern only the relations that the query names.
    """
    found = connection.execute("SELECT * FROM damaged").fetchall()
    words = set(re.findall(r"\w+", sql.lower()))
    lost = [Lost(*row) for row in found]
    if words & {name for item in lost for name in _names_of(item.dataset)}:
        return
    connection.execute(f"SET VARIABLE {SKIP_DAMAGED} = true")
    for item in lost:
        if words & set(item.relations()):
            note(f"left out: {item.problem}")


def _names_of(dataset: str) -> list[str]:
    """A dataset and the views over it."""
    return [dataset, *(name for name in card_names() if load_card(name).view_of == dataset)]


def _with_times_as_text(result: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The rows of `result`, with each time with a time zone as DuckDB's text: Python would need the package pytz."""
    types = [str(kind) for kind in result.types]
    if not any(map(_WITH_TIME_ZONE.search, types)):
        return result
    # "#2" is the second column, whatever its name.
    casts = (f"CAST(#{i} AS {_WITH_TIME_ZONE.sub('VARCHAR', kind)})" for i, kind in enumerate(types, 1))
    return result.project(", ".join(casts))


def _require_one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    # DuckDB 2 gives one statement of type MULTI, DuckDB 1 two without a text.
    if any(statement.type.name == "MULTI" or not statement.query for statement in statements):
        raise IbDataError(f"sql: {_OPEN_PIVOT}")
    if len(statements) != 1:
        raise IbDataError(f"sql: expected one statement, found {len(statements)}; {_ONE_SELECT}")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise IbDataError(f"sql: {kind.name} is not allowed; {_ONE_SELECT}")
    # From DuckDB 2 on a WITH clause may hold a COPY ... TO, which could overwrite one of the allowed files. It shows in
    # the plan, and planning runs nothing.
    for _, plan in connection.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall():
        if any("COPY" in name.upper() for name in _operators(json.loads(plan))):
            raise IbDataError(f"sql: COPY is not allowed; {_ONE_SELECT}")


def _operators(plan: Any) -> list[str]:
    """The operator names of a plan in JSON, at any depth."""
    if isinstance(plan, list):
        return [name for part in plan for name in _operators(part)]
    return [str(plan.get("name", "")), *_operators(plan.get("children", []))]


def _lock_down(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Restrict the connection, permanently, to reading the files of the views."""
    files = view_files(home)
    # DuckDB looks up both the name and the pattern that views use.
    allowed = {*map(str, files), *map(glob_escaped, files)}
    connection.execute(f"SET allowed_paths = [{', '.join(map(literal, sorted(allowed)))}]")
    for setting in (
        "autoinstall_known_extensions",
        "autoload_known_extensions",
        "python_enable_replacements",
        "enable_external_access",
    ):
        connection.execute(f"SET {setting} = false")
    connection.execute("SET lock_configuration = true")
