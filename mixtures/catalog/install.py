"""Installs a new catalog file without losing tables and views that the user keeps in the old one.

A file without user objects is replaced by one rename; programs that have it open keep reading the old one. In a file
with user objects, our relations are replaced in one transaction and nothing else is touched.
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

# Far longer than a rebuild takes (0.11 s for the miniature), so that a running one does not lose its file.
_LEFT_BEHIND_S = 3600
# Held by another process (a lock), or by another connection of this one.
_HELD = ("set lock on file", "already attached", "different configuration")
_IS_OURS = [*EVERY_RELATION, *MACROS, "ib_data.built_from"]
# Our relations have a comment; a user's object of the same name has none.
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
    """Another program has the catalog open, so it can be neither replaced nor changed."""


def install(
    path: Path,
    home: Home,
    connection: duckdb.DuckDBPyConnection,
    fill: Callable[[duckdb.DuckDBPyConnection], None],
) -> None:
    """Move the catalog file `path` into place, or `fill` the existing one if it holds user objects.

    `connection` has nothing attached; it is reused because opening another takes 0.03 s.
    Raises HeldError if another program has the catalog open, and DataError if a user object has one of our names.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        with _attached(connection, home.catalog):  # while attached, no other program can write to it
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
    """Drop our relations from the database in use. Raises DataError for a user object with one of our names."""
    found = _objects(connection)
    for kind, name, comment in found:
        if name in _IS_OURS and comment is None and name != "ib_data.built_from":
            remedy = f"give yours another name: ALTER {kind} {name} RENAME TO my_{name}"
            raise DataError("catalog", f"a {kind.lower()} of yours has the name of one of ours: {name}", remedy=remedy)
    for kind, name, _ in reversed(found):  # macros before views, views before tables
        if name in _IS_OURS:
            connection.execute(f"DROP {'MACRO TABLE' if kind == 'MACRO' else kind} {name}")
    connection.execute("DROP SCHEMA IF EXISTS ib_data")


def reading(path: Path) -> duckdb.DuckDBPyConnection:
    """A separate connection to a catalog file, whose settings affect no other connection of this process.

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
    """The catalog file `path`, attached and in use for reading."""
    _attach(connection, path)
    try:
        yield
    finally:
        connection.execute("USE memory")
        connection.execute("DETACH catalog")


@contextmanager
def write_to(connection: duckdb.DuckDBPyConnection, path: Path, named: Path, options: str = "") -> Iterator[None]:
    """The file `path` attached as `catalog` for writing; a DuckDB error becomes a DataError about `named`.

    After an error the connection is unusable.
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
    """Kind, name (with its schema, except main) and comment of every object in the database in use."""
    rows = connection.execute(f"FROM ({_OBJECTS}) WHERE database_name = current_database()").fetchall()
    return [
        (kind, name if schema == "main" else f"{schema}.{name}", comment) for kind, _, schema, name, comment in rows
    ]


def _theirs(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the catalog holds user objects."""
    return any(
        name not in _IS_OURS or (comment is None and name != "ib_data.built_from")
        for _, name, comment in _objects(connection)
    )


def _replace(path: Path, home: Home) -> None:
    """Replace the catalog with a copy of `path` by one rename, and remove the leftovers of killed processes."""
    for leftover in home.root.glob(f"{home.catalog.name}.*{SUFFIX}"):
        with suppress(OSError):  # another process removed it, or it is another user's
            if leftover.stat().st_mtime < time.time() - _LEFT_BEHIND_S:
                leftover.unlink()
    with replacing(home.catalog, sync=False) as part:  # it can be made again at any time
        shutil.copyfile(path, part)


def _set_aside(path: Path) -> None:
    """Keep a DuckDB file that this DuckDB cannot read: a newer one may have written the user's tables into it."""
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
    problem = "is open in another program, so it was not updated"
    return HeldError("catalog", problem, file=str(path), remedy="close it there and run `ib-data sql` to update it")
