"""The user's objects in `catalog.duckdb` survive every build, and a program that has the file open loses nothing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.mixtures.catalog.file import rebuild
from ib_data.mixtures.catalog.install import HeldError
from ib_data.mixtures.catalog.queries import query
from ib_data.mixtures.catalog.relations import RELATIONS

Build = Callable[..., Path]
COUNT = "SELECT count(*) FROM annotations"
# Holds the file open until its standard input ends.
HOLDER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "ro")
if sys.argv[2] == "rw":
    connection.execute("CREATE OR REPLACE TABLE mine AS SELECT 7 AS a")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path, build_split: Build) -> Home:
    """A home with 3 samples of okvqa, and a user's tables, views, macros and schema in its catalog."""
    home = Home(tmp_path / "home")
    build_split(home, "okvqa", 3)
    rebuild(home)
    with duckdb.connect(str(home.catalog)) as own:
        own.execute("CREATE TABLE mine AS SELECT key, 'good' AS mark FROM samples")
        own.execute("CREATE VIEW marked AS SELECT mark, count(*) AS n FROM mine JOIN samples USING (key) GROUP BY ALL")
        own.execute("CREATE VIEW all_datasets AS SELECT name, kind FROM datasets")
        own.execute("CREATE MACRO twice(x) AS 2 * x")
        own.execute("CREATE SCHEMA work")
        own.execute("CREATE TABLE work.notes (text VARCHAR)")
        own.execute("INSERT INTO work.notes VALUES ('look again')")
        own.execute("CREATE SEQUENCE numbers")
    return home


@contextmanager
def held(home: Home, mode: str) -> Iterator[None]:
    """Another program has the catalog open, to read (ro) or to write (rw)."""
    command = [sys.executable, "-c", HOLDER, str(home.catalog), mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "open\n"
        yield
        program.communicate("")


def test_what_the_user_made_survives_a_build(home: Home, build_split: Build) -> None:
    for num_samples in (5, 4):
        build_split(home, "okvqa", num_samples)
        rebuild(home)
        with duckdb.connect(str(home.catalog)) as own:
            assert own.execute(COUNT).fetchone() == (4 * num_samples,)  # the view okvqa_qg counts them again
            assert own.execute("FROM marked").fetchall() == [("good", 3)]
            assert own.execute("SELECT kind <> '' FROM all_datasets WHERE name = 'okvqa'").fetchall()
            assert own.execute("SELECT twice(2), text, nextval('numbers') > 0 FROM work.notes").fetchall() == [
                (4, "look again", True)
            ]
            tags = own.execute("SELECT tags FROM duckdb_databases() WHERE path IS NOT NULL").fetchone()
            assert "v1.0.0" in str(tags)
    assert query(home, "FROM marked")[1] == [("good", 3)]
    assert not home.catalog.with_name("catalog.duckdb.wal").exists()


def test_ib_data_sql_brings_such_a_file_up_to_date_too(home: Home, build_split: Build) -> None:
    build_split(home, "okvqa", 4)
    assert query(home, "SELECT count(*), (SELECT count(*) FROM mine) FROM samples")[1] == [(4, 3)]


def test_the_file_does_not_grow_with_every_build(home: Home, build_split: Build) -> None:
    sizes = []
    for number in range(6):
        build_split(home, "okvqa", 3 + number)
        rebuild(home)
        sizes.append(home.catalog.stat().st_size)
    assert sizes[-1] <= 2 * sizes[0]


def test_a_file_with_nothing_of_the_user_is_replaced_under_its_readers(tmp_path: Path, build_split: Build) -> None:
    home = Home(tmp_path / "home")
    build_split(home, "okvqa", 3)
    rebuild(home)
    before = home.catalog.stat().st_ino
    with held(home, "ro"):
        build_split(home, "okvqa", 4)
        rebuild(home)
    assert home.catalog.stat().st_ino != before
    assert query(home, COUNT)[1] == [(16,)]


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_a_file_that_another_program_has_open_stays_and_is_said(
    home: Home, build_split: Build, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with held(home, mode):
        build_split(home, "okvqa", 4)
        with pytest.raises(HeldError) as error:
            rebuild(home)
        assert str(error.value) == (
            f"catalog: {home.catalog}: is open in another program, so it was not updated; close it there and run "
            "`ib-data sql` to update it"
        )
        assert query(home, COUNT)[1] == [(16,)]
        assert capsys.readouterr().err.count("\n") == 1
    assert query(home, "SELECT (SELECT count(*) FROM mine), count(*) FROM samples")[1] == [
        (3 if mode == "ro" else 1, 4)
    ]


def test_a_build_ends_in_one_note_where_the_file_is_open(cli: Any, home: Home, tmp_path: Path) -> None:
    with held(home, "rw"):
        done = cli("build", "vsr", "--mini", "--no-media", "--split", "test", "--home", home.root, "--mini-size", 5)
    assert done.code == 0
    line, _ = done.err.splitlines()  # the other is the sum of the build
    assert line.startswith("the catalog was not updated: ")
    assert f"{home.catalog}: is open in another program" in line


def test_a_connection_of_this_process_is_another_program(home: Home, build_split: Build) -> None:
    with duckdb.connect(str(home.catalog)) as own:
        build_split(home, "okvqa", 4)
        with pytest.raises(HeldError):
            rebuild(home)
        own.execute("INSERT INTO mine VALUES ('x', 'late')")
    assert query(home, "SELECT (SELECT count(*) FROM mine), count(*) FROM samples")[1] == [(4, 4)]


@pytest.mark.parametrize("taken", ["TABLE samples", "VIEW datasets", "TABLE datasets"])
def test_a_name_of_ours_that_the_user_took_is_said(home: Home, taken: str) -> None:
    kind, name = taken.split()
    with duckdb.connect(str(home.catalog)) as own:
        own.execute(f"DROP {'VIEW' if name == 'samples' else 'TABLE'} {name}")
        own.execute(f"CREATE {kind} {name} AS SELECT 1 AS a")
    with pytest.raises(
        DataError, match=rf"a {kind.lower()} of yours .*: {name}; give yours another name: ALTER {kind}"
    ):
        rebuild(home)
    with duckdb.connect(str(home.catalog)) as own:
        assert own.execute(f"FROM {name}").fetchall() == [(1,)]
        own.execute(f"ALTER {kind} {name} RENAME TO my_{name}")
    rebuild(home)
    with duckdb.connect(str(home.catalog), read_only=True) as own:
        assert own.execute(f"FROM my_{name}").fetchall() == [(1,)]
        assert {row[0] for row in own.execute("SHOW TABLES").fetchall()} > set(RELATIONS)


def test_a_database_that_cannot_be_read_is_kept_beside(empty_home: Home) -> None:
    data = bytes(8) + b"DUCK" + b"\xff" * 20_000
    empty_home.catalog.write_bytes(data)
    assert query(empty_home, "SELECT 1")[1] == [(1,)]
    assert empty_home.catalog.with_name("catalog-unreadable.duckdb").read_bytes() == data
