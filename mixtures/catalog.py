"""The catalog: `HOME/catalog.duckdb`, views over the Parquet indices of all that is built, and safe queries on it.

Any DuckDB from 1.2 on opens the file, the `duckdb` program too. Nothing of the indices is copied into it.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files as package_files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from ib_data import __version__
from ib_data.builders.manifest import DROPS, INDEX, MANIFEST, built
from ib_data.errors import DataError, IbDataError, one_line
from ib_data.home import Home
from ib_data.mixtures.catalog_tables import glob_escaped, literal, tables, views

# DuckDB 2 would write a format that no 1.x program opens.
_STORAGE_VERSION = "v1.0.0"
_ONE_SELECT = "`ib-data sql` runs one SELECT (or FROM, DESCRIBE, SUMMARIZE, SHOW) and changes nothing"


def rebuild(home: Home) -> None:
    """Write the catalog anew from manifests, cards, templates and mixtures; a reader sees the old or the new one whole.

    Raises DataError where DuckDB cannot write it, OSError where the folder cannot be written.
    """
    stamp = _stamp(home)
    manifests = built(home)
    home.root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home.root, prefix=".catalog-") as folder:
        path = Path(folder) / home.catalog.name
        connection = duckdb.connect()
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS catalog (STORAGE_VERSION '{_STORAGE_VERSION}')")
            connection.execute("USE catalog")
            for name, table in tables(manifests).items():
                connection.register("arrow_rows", table)
                connection.execute(f"CREATE TABLE {name} AS FROM arrow_rows")
                connection.unregister("arrow_rows")
            for name, select in views(home, manifests).items():
                connection.execute(f"CREATE VIEW {name} AS {select}")
            connection.execute("CREATE SCHEMA ib_data")
            connection.execute(f"CREATE TABLE ib_data.built_from AS SELECT {literal(stamp)} AS stamp")
            connection.execute("USE memory")
            connection.execute("DETACH catalog")
        except duckdb.Error as error:
            remedy = "run `ib-data check` on what is built"
            raise DataError("catalog", _first_line(error), file=str(home.catalog), remedy=remedy) from error
        finally:
            connection.close()
        path.replace(home.catalog)


def query(home: Home, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The column names and all rows of one SELECT over the catalog, which is rebuilt first where it is out of date.

    The statement can read the catalog and the Parquet files of what is built, no other file and no network, and can
    write nothing. Raises IbDataError, in one line, for anything else and for a mistake in the SQL.
    """
    if not _is_current(home):
        rebuild(home)
    connection = _open(home)
    try:
        _lock_down(connection, home)
        _refuse_all_but_one_select(connection, sql)
        cursor = connection.execute(sql)
        return [column[0] for column in cursor.description], cursor.fetchall()
    except duckdb.Error as error:
        raise IbDataError(f"sql: {_first_line(error)}") from error
    finally:
        connection.close()


def _refuse_all_but_one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise IbDataError(f"sql: expected one statement, found {len(statements)}; {_ONE_SELECT}")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise IbDataError(f"sql: {kind.name} is refused; {_ONE_SELECT}")
    # From DuckDB 2 on a WITH clause may hold a COPY ... TO, which the list of allowed files does not stop from writing
    # over one of them; it shows in the plan, and making the plan runs nothing.
    for _, plan in connection.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall():
        if any("COPY" in name.upper() for name in _operators(json.loads(plan))):
            raise IbDataError(f"sql: COPY is refused; {_ONE_SELECT}")


def _operators(plan: Any) -> list[str]:
    """The operator names of a plan in JSON, at any depth."""
    if isinstance(plan, list):
        return [name for part in plan for name in _operators(part)]
    return [str(plan.get("name", "")), *_operators(plan.get("children", []))]


def _lock_down(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Let the connection read the built Parquet files and nothing else, for good."""
    files = [path.parent / name for path in _manifests(home) for name in (INDEX, DROPS)]
    # Both the name and the pattern that views use are looked up.
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


def _open(home: Home) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(home.catalog), read_only=True)
    except duckdb.Error as error:
        remedy = "close the program that has it open, or delete it: it is made anew"
        raise DataError("catalog", _first_line(error), file=str(home.catalog), remedy=remedy) from error


def _is_current(home: Home) -> bool:
    """Whether the catalog was made from the home, manifests, cards, templates and mixtures that are there now."""
    if not home.catalog.is_file():
        return False
    try:
        with duckdb.connect(str(home.catalog), read_only=True) as connection:
            found = connection.execute("SELECT stamp FROM ib_data.built_from").fetchone()
    except duckdb.Error:  # a catalog of another version, or a file of that name that is none: it is made anew
        return False
    return found is not None and found[0] == _stamp(home)


def _stamp(home: Home) -> str:
    """A digest of everything the catalog is made from; manifests by time and size, since they can be large."""
    manifests = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in _manifests(home)]
    digest = sha256(json.dumps([__version__, str(home.root), manifests]).encode())
    for package in ("cards", "mixtures", "templates"):
        entries = (f for f in package_files(f"ib_data.{package}").iterdir() if f.name.endswith((".md", ".toml")))
        for entry in sorted(entries, key=lambda f: f.name):
            digest.update(entry.name.encode() + b"\0" + entry.read_bytes())
    return digest.hexdigest()


def _manifests(home: Home) -> Sequence[Path]:
    return sorted(home.root.glob(f"shards/*/*/{MANIFEST}"))


def _first_line(error: duckdb.Error) -> str:
    """DuckDB's message without the drawing of the place: its first line, and its hint where it has one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hints = [line for line in lines[1:] if line.startswith(("Did you mean", "Candidate bindings"))]
    return one_line("; ".join([*lines[:1], *hints]), 400)
