"""Fixtures that build official files and read the result."""

import pyarrow.parquet as pq
import pytest

from ib_data.stored.built_split import open_built


@pytest.fixture
def build(cli, home, real):
    """Builds with the command line from folders of official files; returns the printed lines."""

    def run(name: str, *sources: str, more: tuple[str, ...] = ()):
        given = [part for source in sources for part in ("--source", real / source)]
        result = cli("build", name, *given, *more, "--home", home.root)
        assert result.code == 0, result.err
        return result

    return run


@pytest.fixture
def rows(home):
    """The index rows of a built split, by annotation id."""

    def read(name: str, split: str) -> dict[str, dict]:
        table = pq.read_table(home.split(name, split) / "index.parquet").to_pylist()
        found = {row["id"]: row for row in table}
        assert len(found) == len(table)
        return found

    return read


@pytest.fixture
def drops(home):
    """The drops of a built split: (source id, reason)."""

    def read(name: str, split: str) -> list[tuple[str, str]]:
        table = pq.read_table(home.split(name, split) / "drops.parquet").to_pylist()
        return [(row["source_id"], row["reason"]) for row in table]

    return read


@pytest.fixture
def media(home):
    """The bytes of the image or clip of an index row."""

    def read(name: str, split: str, row: dict) -> bytes:
        return open_built(home, name, split).media(row["key"])

    return read
