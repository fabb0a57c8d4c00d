"""Rows from a hub mirror become the same samples, tested on a local Parquet copy of the miniature's rows."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ib_data.builders.miniature import write_mirror
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.source.web.hub import hub_files
from ib_data.cards import load_card
from ib_data.errors import DataError

# `datasets` leaves the files it reads to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """The miniature's VSR files under their official names, and beside them the same rows as on the hub."""
    write_mirror(tmp_path / "mirror", num_images=12)
    hub = tmp_path / "mirror" / "huggingface.co" / "datasets" / "cambridgeltl" / "vsr_zeroshot"
    hub.mkdir(parents=True)
    for file in load_card("vsr").files:
        lines = (tmp_path / "mirror" / file.place).read_text().splitlines()
        pq.write_table(pa.Table.from_pylist([json.loads(line) for line in lines]), hub / f"{file.split}.parquet")
    return tmp_path / "mirror"


def test_a_hub_mirror_gives_the_same_samples(cli, tmp_path: Path, official: Path) -> None:
    pages = official / "raw.githubusercontent.com"
    built = cli("build", "vsr", "--no-media", "--source", pages, "--home", tmp_path / "files")
    assert built.code == 0, built.err
    mirror = official.as_uri()
    from_hub = cli("build", "vsr", "--no-media", "--from-hub", "--mirror", mirror, "--home", tmp_path / "hub")
    assert from_hub.code == 0, from_hub.err
    for split in ("train", "validation", "test"):
        one, other = (
            tmp_path / home / "shards" / "vsr" / split / "index.parquet" for home in ("files", "hub")
        )  # fmt: skip
        assert pq.read_table(one).equals(pq.read_table(other))


def test_a_card_without_a_mirror_says_so(cli, tmp_path: Path) -> None:
    result = cli("build", "okvqa", "--from-hub", "--home", tmp_path)
    assert result.code == 1
    line = result.err.splitlines()[-1]
    assert "okvqa: the card names no hub mirror of train" in line
    assert line.endswith("build without --from-hub")


def test_a_missing_mirror_is_one_line(cli, tmp_path: Path) -> None:
    result = cli("build", "vsr", "--no-media", "--from-hub", "--mirror", tmp_path.as_uri(), "--home", tmp_path / "home")
    assert result.code == 1
    assert "cannot be read" in result.err
    assert result.err.count("\n") == 1


def test_any_hub_client_error_is_one_line(monkeypatch) -> None:
    class NoRouteError(Exception):
        """As httpx has it: of no class that others have too."""

    def load(*_arguments: object, **_how: object) -> object:
        raise NoRouteError("no route to https://hub.invalid/rows?token=secret")

    monkeypatch.setattr("datasets.load_dataset", load)
    with pytest.raises(
        DataError, match=r"^vsr: cambridgeltl/vsr_zeroshot: train: cannot be read: no route to"
    ) as raised:
        hub_files(load_card("vsr"), "train", Fetcher(downloads=Path("nowhere"))).rows("questions")
    assert "secret" not in str(raised.value)
