"""Difficult homes: odd names, read-only folders, and leftovers of a killed process."""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.catalog.file import rebuild
from ib_data.mixtures.catalog.queries import query

Build = Callable[..., Path]
COUNT = "SELECT count(*) FROM annotations"


@pytest.mark.parametrize("name", ["what?", "a?b=c", "100% 'sure' [1]*"])
def test_a_home_of_any_name(tmp_path: Path, build_split: Build, name: str) -> None:
    home = Home(tmp_path / name)
    build_split(home, "okvqa", 3)
    rebuild(home)
    for _ in range(2):  # written again, then left as it is
        assert query(home, COUNT)[1] == [(12,)]
    assert sorted(path.name for path in home.root.iterdir()) == ["catalog.duckdb", "shards"]


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path, cli: Callable[..., Any]) -> None:
    home = tmp_path / "mistyped" / "home"
    result = cli("sql", COUNT, "--home", home, "--format", "csv")
    assert (result.code, result.out) == (0, "count_star()\n0\n")
    assert str(home) in result.err
    assert result.err.count("\n") == 1
    assert not home.parent.exists()


def test_connections_of_the_process_leave_each_other_alone(tmp_path: Path, build_split: Build) -> None:
    home = Home(tmp_path / "home")
    build_split(home, "okvqa", 3)
    rebuild(home)
    with duckdb.connect(str(home.catalog), read_only=True) as own:
        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(lambda _: query(home, COUNT)[1], range(6))) == [[(12,)]] * 6
        own.execute("SET threads = 1")
        found = own.execute(f"SELECT count(*) FROM glob('{home.catalog}')").fetchone()
        assert found == (1,)  # it may still look at any file


def test_a_backslash_in_the_path_is_refused_by_what_reads_indices(tmp_path: Path, build_split: Build) -> None:
    home = Home(tmp_path / "back\\slash")
    build_split(home, "okvqa", 3)
    rebuild(home)
    with pytest.raises(IbDataError, match=r"okvqa.*: DuckDB reads no path with a backslash; move the home"):
        query(home, COUNT)
    assert query(home, "SELECT num_annotations FROM datasets WHERE name = 'okvqa' AND split = 'train'")[1] == [(6,)]


def read_only(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), "home")


def test_a_read_only_home_answers_at_another_path_too(
    tmp_path: Path, build_split: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    build_split(home, "okvqa", 3)
    rebuild(home)
    moved = Home(home.root.rename(tmp_path / "moved"))
    before = moved.catalog.read_bytes()
    # The bits of a folder do not stop a test that runs as root.
    monkeypatch.setattr(shutil, "copyfile", read_only)
    for _ in range(2):
        assert query(moved, COUNT)[1] == [(12,)]
    assert moved.catalog.read_bytes() == before
    assert sorted(path.name for path in moved.root.iterdir()) == ["catalog.duckdb", "shards"]
    with pytest.raises(OSError, match="Read-only"):
        rebuild(moved)


def test_a_full_disk_is_said(empty_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        query(empty_home, "SELECT 1")


def test_what_killed_processes_left_is_removed(empty_home: Home) -> None:
    empty_home.root.mkdir(parents=True, exist_ok=True)
    old, recent = (empty_home.root / f"catalog.duckdb.{name}.part" for name in ("0a", "0b"))
    for file in (old, recent):
        file.write_text("half")
    os.utime(old, (0, 0))
    query(empty_home, "SELECT 1")
    assert not old.exists()
    assert recent.exists()  # its process may be at work


def test_others_may_read_the_catalog_as_far_as_the_umask_lets_them(empty_home: Home) -> None:
    rebuild(empty_home)
    plain = empty_home.root / "plain"
    plain.touch()
    assert stat.S_IMODE(empty_home.catalog.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
