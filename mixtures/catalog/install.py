"""Putting the catalog in its place, which a user may keep tables and views of their own in.

A file with nothing of the user is replaced whole by one rename: programs that read it go on with the old one. In a file
that holds something of theirs our relations are exchanged in one transaction, and the rest is not touched or copied.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb

from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.mixtures.catalog.macros import MACROS
from ib_data.mixtures.catalog.messages import in_short
from ib_data.mixtures.catalog.relations import EVERY_RELATION
from ib_data.mixtures.catalog.views import literal
from ib_data.replacing import SUFFIX, replacing

# Far longer than a rebuild takes (0.11 s for the miniature), so that none at work loses its file.
_LEFT_BEHIND_S = 3600
# By another process (a lock), or by another connection of this one.
_HELD = ("set lock on file", "already attached", "different configuration")
_IS_OURS = [*EVERY_RELATION, *MACROS, "ib_data.built_from"]
# Ours have a comment, what a user put in the place of one of them has none.
_OBJECTS = """
    SELECT 'TABLE' AS kind, database_name, schema_name, table_name AS name, comment FROM duckdb_tables()
    UNION ALL SELECT 'VIEW', database_name, schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal
    UNION ALL SELECT 'MACRO', database_name, schema_name, function_name, any_value(comment) FROM duckdb_functions()
        WHERE NOT internal AND function_type LIKE '%macro' GROUP BY ALL
    UNION ALL SELECT 'SEQUENCE', database_name, schema_name, sequence_name, comment FROM duckdb_sequences()
    UNION ALL SELECT 'TYPE', database_name, schema_name, type_name, comment FROM duckdb_types() WHERE NOT internal
    UNION ALL SELECT 'SCHEMA', database_name, schema_name, schema_name, comment FROM duckdb_schemas()
        WHERE NOT internal AND schema_name NOT IN ('main', 'ib_data')
"""


class HeldError(DataError):
    """A catalog that another program has open, so that it can be neither replaced nor changed."""


def install(
    path: Path,
    home: Home,
    connection: duckdb.DuckDBPyConnection,
    fill: Callable[[duckdb.DuckDBPyConnection], None],
) -> None:
    """Put the catalog file `path` in its place, or `fill` the one that is there where it holds something of the user.

    `connection` is one that has nothing attached: to open another takes 0.03 s.
    Raises HeldError where another program has that open, DataError where an object of theirs has a name of ours.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        with _attached(connection, home.catalog):  # as long as it is, no other program can write to it
            if not _theirs(connection):
                _replace(path, home)
                return
    except duckdb.Error as error:
        if _is_held(error):
            raise _held(home) from error
        _set_aside(home.catalog)
        _replace(path, home)
        return
    with closing(duckdb.connect()) as other, write_to(other, home.catalog, home.catalog):
        fill(other)


def drop_ours(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what an earlier `ib_data` put into the database that is in use; DataError for a name that the user took."""
    found = _objects(connection)
    for kind, name, comment in found:
        if name in _IS_OURS and comment is None and name != "ib_data.built_from":
            remedy = f"give yours another name: ALTER {kind} {name} RENAME TO my_{name}"
            raise DataError("catalog", f"a {kind.lower()} of yours stands in the place of ours: {name}", remedy=remedy)
    for kind, name, _ in reversed(found):  # macros before the views, and those before the tables
        if name in _IS_OURS:
            connection.execute(f"DROP {'MACRO TABLE' if kind == 'MACRO' else kind} {name}")
    connection.execute("DROP SCHEMA IF EXISTS ib_data")


def reading(path: Path) -> duckdb.DuckDBPyConnection:
    """A connection of its own to a catalog file: what is set on it binds no other that this process has open there.

    duckdb.connect(path) would share one instance, and its settings, among all connections to the file.
    """
    connection = duckdb.connect()
    try:
        _attach(connection, path)
    except duckdb.Error:
        connection.close()
        raise
    return connection


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute(f"ATTACH {literal(str(path))} AS catalog (READ_ONLY)")
    connection.execute("USE catalog")


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    """The catalog file `path` in use, to read it."""
    _attach(connection, path)
    try:
        yield
    finally:
        connection.execute("USE memory")
        connection.execute("DETACH catalog")


@contextmanager
def write_to(connection: duckdb.DuckDBPyConnection, path: Path, named: Path, options: str = "") -> Iterator[None]:
    """The file `path` attached as `catalog`; a failure of DuckDB is a DataError about `named`.

    After a failure the connection is of no more use.
    """
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS catalog{options}")
        yield
        connection.execute("USE memory")
        connection.execute("DETACH catalog")
    except duckdb.Error as error:
        if _is_held(error):
            raise _held_at(named) from error
        remedy = "run `ib-data check` on what is built"
        raise DataError("catalog", in_short(error), file=str(named), remedy=remedy) from error


def _objects(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str | None]]:
    """Kind, name (with its schema, but for main) and comment of all that is in the database that is in use."""
    rows = connection.execute(f"FROM ({_OBJECTS}) WHERE database_name = current_database()").fetchall()
    return [
        (kind, name if schema == "main" else f"{schema}.{name}", comment) for kind, _, schema, name, comment in rows
    ]


def _theirs(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether anything in the catalog is not ours."""
    return any(
        name not in _IS_OURS or (comment is None and name != "ib_data.built_from")
        for _, name, comment in _objects(connection)
    )


def _replace(path: Path, home: Home) -> None:
    """Put a copy of `path` in place of the catalog by one rename, and remove what killed processes left there."""
    for leftover in home.root.glob(f"{home.catalog.name}.*{SUFFIX}"):
        with suppress(OSError):  # another process removed it, or it is another user's
            if leftover.stat().st_mtime < time.time() - _LEFT_BEHIND_S:
                leftover.unlink()
    with replacing(home.catalog, sync=False) as part:  # it can be made again at any time
        shutil.copyfile(path, part)


def _set_aside(path: Path) -> None:
    """Keep a DuckDB file that this DuckDB cannot read: a newer one may have written tables of the user into it."""
    try:
        with path.open("rb") as file:
            is_duckdb = file.read(12)[8:] == b"DUCK"
    except OSError:
        return
    if is_duckdb:
        path.replace(path.with_name(f"{path.stem}-unreadable{path.suffix}"))


def _is_held(error: duckdb.Error) -> bool:
    return any(word in str(error).lower() for word in _HELD)


def _held(home: Home) -> HeldError:
    return _held_at(home.catalog)


def _held_at(path: Path) -> HeldError:
    problem = "is open in another program, so it stays as it is"
    return HeldError("catalog", problem, file=str(path), remedy="close it there and run `ib-data sql` to renew it")
