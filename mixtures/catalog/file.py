"""The catalog file: rewritten from the current contents of a home, or opened if it is up to date."""

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from importlib.resources import files as package_files
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from ib_data import __version__
from ib_data.cards.roots import own_files
from ib_data.console import debug, note, progress
from ib_data.errors import DataError, os_error_line
from ib_data.file_state import state_text
from ib_data.home import MANIFEST, Home
from ib_data.mixtures.catalog.holdings import Holdings, holdings
from ib_data.mixtures.catalog.install import drop_ours, install, reading, write_to
from ib_data.mixtures.catalog.macros import MACROS, Macro
from ib_data.mixtures.catalog.messages import in_short
from ib_data.mixtures.catalog.relations import EVERY_RELATION
from ib_data.mixtures.catalog.tables import TABLES, arrow_table, stats_files
from ib_data.mixtures.catalog.views import DERIVED, VIEWS, literal, unreadable, view_files
from ib_data.stored.manifest import built_folders

# DuckDB 2 would otherwise write a format that 1.x cannot open.
_STORAGE_VERSION = "v1.0.0"
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def rebuild(home: Home) -> None:
    """Rewrite the catalog from manifests, cards, templates and mixtures; a reader sees either the old or the new one.

    A damaged file of a split fails only the queries that need it, with an error that names it. The user's tables and
    views stay. Raises DataError if DuckDB cannot write or another program has the file open, and OSError if the
    folder cannot be written.
    """
    with _written(home) as (path, connection):
        install(path, home, connection, _fill_anew(home, first=drop_ours))


@contextmanager
def opened(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The up-to-date catalog, rewritten if necessary; a temporary one if the home or the file cannot be written."""
    connection = _open_current(home)
    if connection:
        with connection:
            yield connection
        return
    with _written(home) as (path, of_write):
        if home.root.is_dir():  # a mistyped home is not created
            _install_if_possible(path, home, of_write)
        # The file in the home may also hold the user's tables.
        with _open_current(home) or reading(path) as connection:
            yield connection


def _install_if_possible(path: Path, home: Home, connection: duckdb.DuckDBPyConnection) -> None:
    try:
        install(path, home, connection, _fill_anew(home, first=drop_ours))
    except DataError as error:
        note(f"{error}; until then queries know nothing of your own tables there")
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise


def _open_current(home: Home) -> duckdb.DuckDBPyConnection | None:
    """The catalog, or None if it was not made from the current manifests, logs, cards, templates and mixtures."""
    try:
        connection = reading(home.catalog)
    except duckdb.Error:  # there is none yet, or the file is not a catalog: it is rewritten
        return None
    try:
        found = connection.execute("SELECT stamp FROM ib_data.built_from").fetchone()
    except duckdb.Error:  # a catalog of another version
        found = None
    if found == (_stamp(home),):
        debug(f"{home.catalog} is up to date")
        return connection
    connection.close()
    return None


@contextmanager
def _written(home: Home) -> Iterator[tuple[Path, duckdb.DuckDBPyConnection]]:
    """A catalog file of the current contents of `home`, in a system temporary folder, and the connection that wrote it.

    Not in the home, whose name may contain a `?`: DuckDB takes that for the start of options and cannot commit.
    """
    with TemporaryDirectory(prefix="ib-data-") as folder, closing(duckdb.connect()) as connection:
        path = Path(folder) / home.catalog.name
        with write_to(connection, path, home.catalog, f" (STORAGE_VERSION '{_STORAGE_VERSION}')"):
            _fill_anew(home)(connection)
        yield path, connection


def _fill_anew(
    home: Home, first: Callable[[duckdb.DuckDBPyConnection], None] | None = None
) -> Callable[[duckdb.DuckDBPyConnection], None]:
    """A function that fills the catalog attached as `catalog` from the current contents of `home`, in one transaction.

    `first` runs first in it: it drops the old contents of an existing catalog, which takes 0.03 s and is not needed in
    a new file. Each transaction waits for the disk: one takes 0.11 s for the miniature, many take 0.13 s.
    """

    def fill(connection: duckdb.DuckDBPyConnection) -> None:
        stamp, held = _stamp(home), holdings(home)
        names = progress(tuple(EVERY_RELATION), "catalog: reading what is built", "relation")
        contents = {name: _content(connection, name, home, held) for name in names}
        connection.execute("USE catalog")
        connection.execute("BEGIN")
        if first:
            first(connection)
        connection.execute("CREATE SCHEMA ib_data")
        for name, content in progress(contents.items(), "catalog: writing", "relation", len(contents)):
            create_relation(connection, name, content)
        for name, macro in MACROS.items():
            create_macro(connection, name, macro)
        connection.execute(f"CREATE TABLE ib_data.built_from AS SELECT {literal(stamp)} AS stamp")
        connection.execute("COMMIT")

    return fill


def create_relation(connection: duckdb.DuckDBPyConnection, name: str, content: pa.Table | str) -> None:
    """Create a relation of the catalog: a table with these rows, or a view of a SELECT."""
    if isinstance(content, str):
        connection.execute(f"CREATE VIEW {name} AS {content}")
    else:
        connection.register("arrow_rows", content)
        connection.execute(f"CREATE TABLE {name} AS FROM arrow_rows")
        connection.unregister("arrow_rows")
    kind = "VIEW" if isinstance(content, str) else "TABLE"
    connection.execute(f"COMMENT ON {kind} {name} IS {literal(EVERY_RELATION[name].about)}")


def create_macro(connection: duckdb.DuckDBPyConnection, name: str, macro: Macro) -> None:
    """Create a table macro of the catalog; the tables that it reads must exist."""
    connection.execute(f"CREATE MACRO {name}({macro.parameters}) AS TABLE {macro.select}")
    connection.execute(f"COMMENT ON MACRO TABLE {name} IS {literal(macro.about)}")


def _content(connection: duckdb.DuckDBPyConnection, name: str, home: Home, held: Holdings) -> pa.Table | str:
    """The rows of a table or the SELECT of a view; if files are missing or damaged, a SELECT that raises their error.

    The error comes only when the relation is queried: a broken log must not hide what is built.
    """
    if name in DERIVED:
        return DERIVED[name]
    try:
        if name in TABLES:
            return arrow_table(name, TABLES[name](home, held))
        select = VIEWS[name](home, held)
        connection.execute(f"DESCRIBE {select}")
    except DataError as error:
        return unreadable(name, str(error))
    except OSError as error:
        return unreadable(name, f"{name}: {os_error_line(error)}")
    except duckdb.Error as error:
        return unreadable(name, f"{name}: {in_short(error)}")
    return select


def _stamp(home: Home) -> str:
    """A digest of everything the catalog is made from; large files of the home count by name, time and size."""
    folders = built_folders(home)
    manifests = [folder / MANIFEST for folder in folders]
    counted = (path for folder in folders for path in stats_files(folder))
    files = [(str(path), state_text(path)) for path in (*manifests, *counted, *view_files(home), home.quarantine)]
    made_as = [str((EVERY_RELATION, DERIVED, MACROS)), __version__, str(home.root)]
    digest = sha256(json.dumps([made_as, files]).encode())
    for package in ("cards", "mixtures", "templates"):
        entries = (f for f in package_files(f"ib_data.{package}").iterdir() if f.name.endswith((".md", ".toml")))
        for entry in sorted(entries, key=lambda f: f.name):
            digest.update(entry.name.encode() + b"\0" + entry.read_bytes())
    for path in own_files():
        digest.update(str(path).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
