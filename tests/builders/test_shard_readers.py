"""The shards are plain WebDataset: other people's readers get every sample."""

import json
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
import webdataset
from official import lay_vqav2
from test_restart import build

from ib_data.builders.reader import extent_of, read_sample
from ib_data.home import Home

# Both libraries leave the files they read to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    build(home, lay_vqav2(tmp_path_factory.mktemp("source"), num_images=5), workers=1)
    return home


@pytest.fixture(scope="module")
def ours(built: Home) -> list[tuple[str, dict, bytes]]:
    """Every sample as our own reader gets it by its byte range."""
    folder = built.split("vqav2", "train")
    rows = [row for row in pq.read_table(folder / "index.parquet").to_pylist() if row["ordinal"] == 0]
    read = [read_sample(folder / row["shard"], extent_of(row)) for row in rows]
    return [(sample.key, json.loads(sample.to_json()), data) for sample, data in read]


def shards(home: Home) -> list[str]:
    return sorted(map(str, home.split("vqav2", "train").glob("*.tar")))


def test_webdataset_reads_them(built: Home, ours: list) -> None:
    loader = webdataset.WebDataset(shards(built), shardshuffle=False, empty_check=False)
    assert [(s["__key__"], json.loads(s["json"]), s["jpg"]) for s in loader] == ours


def test_datasets_reads_them(built: Home, ours: list, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(
        "webdataset", data_files={"train": shards(built)}, split="train", cache_dir=str(tmp_path), streaming=True
    ).cast_column("jpg", datasets.Image(decode=False))
    rows = [(row["__key__"], row["jpg"]["bytes"]) for row in loaded]
    assert rows == [(key, data) for key, _, data in ours]
    first = next(iter(loaded))["json"]
    assert first["key"] == ours[0][1]["key"]
    assert [a["question"] for a in first["annotations"]] == [a["question"] for a in ours[0][1]["annotations"]]
