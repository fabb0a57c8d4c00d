"""DuckDB's messages as one line that names the nearest relation or column."""

import re
from difflib import get_close_matches

import duckdb

from ib_data.errors import did_you_mean, one_line
from ib_data.mixtures.catalog.macros import MACROS
from ib_data.mixtures.catalog.relations import RELATIONS

_UNKNOWN_RELATION = re.compile(r"Catalog Error: Table(?: Function)? with name (\S+) does not exist")
# If the column is qualified by the alias of a view, DuckDB names no candidates.
_UNKNOWN_COLUMN = re.compile(r'Binder Error: .* does not have a column named "([^"]+)"$')
# A whole traceback follows.
_NEEDS_PACKAGE = re.compile(r"Required module '(\w+)' failed to import")


def in_short(error: duckdb.Error) -> str:
    """DuckDB's message in one line, without the source excerpt; for an unknown name, with the nearest known one."""
    message = one_line(str(error).split("\nLINE ")[0].removeprefix("Invalid Input Error: "))
    if needed := _NEEDS_PACKAGE.match(message):
        return f"a value needs the Python package {needed[1]}, which is not installed; CAST its column AS VARCHAR"
    if unknown := _UNKNOWN_RELATION.match(message):
        return f"there is no relation {unknown[1]!r}; {did_you_mean(unknown[1], [*RELATIONS, *MACROS])}"
    if unknown := _UNKNOWN_COLUMN.match(message):
        columns = {column for relation in RELATIONS.values() for column in relation.columns}
        columns |= {column for macro in MACROS.values() for column in macro.columns}
        near = get_close_matches(unknown[1].lower(), sorted(columns), cutoff=0.5)
        hint = did_you_mean(unknown[1], near) if near else "`ib-data sql` lists the columns of each relation"
        return f"there is no column {unknown[1]!r}; {hint}"
    return message
