"""The shards are plain WebDataset: other people's readers get every field, also one that only late samples have.

`tests/contract` reads every split of the miniature in the words of docs/readers.md.
"""

import json
from pathlib import Path

import datasets
import pytest
import webdataset
from datasets import Features, Image, Json, Value
from official import build, lay, photo

from ib_data.home import Home
from ib_data.stored.built_split import open_built

# Both libraries leave the files they read to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
COLUMNS = Features({"__key__": Value("string"), "json": Json(), "jpg": Image(decode=False), "png": Image()})
# `datasets` takes its columns from so many samples where it is told none.
NUM_LOOKED_AT = 5


def lay_conversations(folder: Path, num: int) -> Path:
    """LLaVA's conversations: of one turn each, from sample NUM_LOOKED_AT on of two."""
    turns = [("human", "<image>\nWhat?"), ("gpt", "A cup."), ("human", "Where?"), ("gpt", "There.")]
    said = [{"from": who, "value": text} for who, text in turns]
    rows = []
    for number in range(num):
        name = f"{number + 1:012d}"
        kept = said if number >= NUM_LOOKED_AT else said[:2]
        rows.append({"id": name, "image": f"{name}.jpg", "conversations": kept})
        path = folder / "train2017" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number))
    lay(folder, "conversation_58k.json", rows)
    return folder


@pytest.fixture(scope="module", params=[True, False], ids=["media", "no media"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("home"))
    source = lay_conversations(tmp_path_factory.mktemp("source"), NUM_LOOKED_AT + 2)
    build(home, source, name="llava_conversation", media=request.param)
    return home.split("llava_conversation", "train")


@pytest.fixture(scope="module")
def ours(folder: Path) -> list[tuple[str, dict, bytes | None]]:
    """Every sample as our own reader gets it by its byte range."""
    built = open_built(Home(folder.parents[2]), "llava_conversation", "train")
    read = [built.read(ref) for ref in built.refs()]
    assert any(
        "history" in annotation for sample, _ in read for annotation in json.loads(sample.to_json())["annotations"]
    )
    return [(sample.key, json.loads(sample.to_json()), data) for sample, data in read]


def shards(folder: Path) -> list[str]:
    return sorted(map(str, folder.glob("*.tar")))


def test_webdataset_reads_the_shards(folder: Path, ours: list) -> None:
    loader = webdataset.WebDataset(shards(folder), shardshuffle=False, empty_check=False)
    assert [(s["__key__"], json.loads(s["json"]), s.get("jpg")) for s in loader] == ours


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_reads_the_shards_given_the_columns(folder: Path, ours: list, streaming: bool, tmp_path: Path) -> None:
    files = {"train": shards(folder)}
    rows = datasets.load_dataset(
        "webdataset", data_files=files, split="train", features=COLUMNS, cache_dir=str(tmp_path), streaming=streaming
    )
    assert [(row["__key__"], row["json"], row["jpg"] and row["jpg"]["bytes"]) for row in rows] == ours


def test_fractions_are_rounded_to_ten_digits() -> None:
    column, given = Json(), 0.123456789012345
    found = column.decode_example(column.encode_example({"relevance": [0.2, given]}))["relevance"]
    assert found == pytest.approx([0.2, given], abs=1e-10)
    assert found != [0.2, given]
