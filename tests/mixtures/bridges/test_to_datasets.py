"""`to_datasets` with the real `datasets` package."""

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.distributed import split_dataset_by_node
from datasets.table import embed_table_storage
from PIL import Image
from torch.utils.data import DataLoader

import ib_data
from ib_data.errors import DataError, IbDataError, MissingExtraError
from ib_data.home import Home
from ib_data.mixtures.bridges.sliced_stream import NUM_SLICES, SlicedStream
from ib_data.mixtures.bridges.to_datasets import MAP_LACKS, STREAM_LACKS

pytestmark = pytest.mark.filterwarnings("default")  # of datasets' own


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture
def home(picture_home: Home, tmp_path: Path) -> Home:
    """A writable copy."""
    shutil.copytree(picture_home.root, tmp_path / "copy")
    return Home(tmp_path / "copy")


def test_a_split_is_a_dataset_with_a_row_per_annotation(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    data = ib_data.to_datasets(str(home.root), "vqav2", seed=3)
    assert capsys.readouterr().err.endswith(f"{MAP_LACKS}\n")
    split = ib_data.open_split(home, "vqav2")
    assert isinstance(data, datasets.Dataset)
    assert isinstance(data.features["image"], datasets.Image)
    assert (len(data), data.split) == (len(split), "train")
    for row, annotation in enumerate(split.annotations()):
        rendered, found = ib_data.render("vqav2", annotation, seed=3, position=row), data[row]
        assert (found["instruction"], found["target"]) == (rendered.instruction, rendered.target)
        assert (found["annotation_id"], found["position"]) == (annotation.id, row)
        media = split.media(found["key"])
        assert media is not None
        assert found["image"].tobytes() == Image.open(io.BytesIO(media)).tobytes()


def test_images_stay_in_their_shards_through_map_and_filter(home: Home) -> None:
    data = ib_data.to_datasets(home, "vqav2")
    assert data.cast_column("image", datasets.Image(decode=False))[0]["image"]["bytes"] is None
    mapped = data.map(lambda row: {"width": row["image"].width, "length": len(row["target"])}, num_proc=None)
    assert mapped[7]["width"] == 40
    assert mapped[7]["image"].tobytes() == data[7]["image"].tobytes()
    kept = mapped.filter(lambda length: length == 3, input_columns="length").shuffle(seed=0)
    assert {row["target"] for row in kept} == {"red"}
    assert all(row["image"].size == (40, 30) for row in kept)
    assert sum(path.stat().st_size for path in (home.cache / "datasets").rglob("*.arrow")) < 100_000


def test_workers_of_a_data_loader_share_the_rows(home: Home) -> None:
    data = ib_data.to_datasets(home, "vqav2").remove_columns("image").with_format("torch")
    found = [int(row["position"]) for row in DataLoader(data, batch_size=None, num_workers=2)]
    assert found == list(range(40))


def test_what_is_saved_says_where_images_are_and_what_is_pushed_holds_them(home: Home, tmp_path: Path) -> None:
    data = ib_data.to_datasets(home, "okvqa")
    expected = [row["image"].tobytes() for row in data]
    data.save_to_disk(tmp_path / "saved")
    again = datasets.load_from_disk(tmp_path / "saved")
    assert type(again.features["image"]) is datasets.Image
    assert [row["image"].tobytes() for row in again] == expected
    embedded = embed_table_storage(data.data.table)  # as push_to_hub does
    split = ib_data.open_split(home, "okvqa")
    for row, image in enumerate(embedded["image"].to_pylist()):
        assert image["bytes"] == split.media(split.ref_at(row).key)


def test_rows_are_written_once_and_again_where_the_build_is_another(home: Home, build_split: Any) -> None:
    def files() -> list[str]:
        return [file["filename"] for file in ib_data.to_datasets(home, "okvqa").cache_files]

    first = files()
    assert files() == first
    assert all(str(home.cache) in file for file in first)
    stale = ib_data.to_datasets(home, "okvqa")
    build_split(home, "okvqa", 5)
    assert files() != first
    assert len(ib_data.to_datasets(home, "okvqa")) == 10
    shutil.rmtree(home.split("okvqa", "train"))
    with pytest.raises(IbDataError, match=r"okvqa-train-000000\.tar: cannot be read"):
        stale[0]


def test_a_shard_that_ends_too_early_is_an_error(home: Home) -> None:
    data = ib_data.to_datasets(home, "okvqa")
    (home.split("okvqa", "train") / "okvqa-train-000000.tar").write_bytes(b"")
    with pytest.raises(IbDataError, match=r"expected an image of .* found 0"):
        data[0]


def test_shards_of_an_object_store_give_the_same(picture_home: Home, near: Home) -> None:
    far = ib_data.to_datasets(near, "okvqa", shards=(picture_home.root / "shards").as_uri())
    split = ib_data.open_split(picture_home, "okvqa")
    for row, annotation in zip(far, split.annotations(), strict=True):
        assert row["annotation_id"] == annotation.id
        assert row["image"].tobytes() == Image.open(io.BytesIO(split.media(row["key"]) or b"")).tobytes()


def test_a_mixture_is_the_stream(picture_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    data = ib_data.to_datasets(picture_home, "demo", seed=5, count=150, available=True)
    assert capsys.readouterr().err.endswith(f"{STREAM_LACKS}\n")
    assert isinstance(data, datasets.IterableDataset)
    assert isinstance(data.features["image"], datasets.Image)
    stream = ib_data.open_stream(picture_home, "demo", seed=5, available=True)
    for row, example in zip(data, stream.batch(0, 150), strict=True):
        assert (row["position"], row["key"]) == (example.position, example.key)
        assert (row["instruction"], row["target"]) == (example.rendered.instruction, example.rendered.target)
        assert row["image"].tobytes() == Image.open(io.BytesIO(example.media or b"")).tobytes()
    endless = ib_data.to_datasets(picture_home, "demo", seed=5, available=True)
    assert [row["position"] for row in endless.take(200)] == list(range(200))


@pytest.mark.parametrize("workers", [2, 11])  # of which 11 gets slices that are not evenly spaced
def test_slices_share_all_positions_and_resume_by_a_seek(picture_home: Home, workers: int) -> None:
    stream = ib_data.open_stream(picture_home, "demo", available=True)
    source = SlicedStream(stream, lambda example: {"key": example.key}, 200, list(range(NUM_SLICES)))
    found = []
    for worker in range(workers):
        part = source.shard_data_sources(workers, worker, contiguous=False)
        rows = list(part)
        positions = [position for position, _ in rows]
        assert positions == sorted(positions)
        part._init_state_dict()
        iterator = iter(part)
        next(iterator)
        again = source.shard_data_sources(workers, worker, contiguous=False)
        again.load_state_dict(part.state_dict())
        assert list(again) == rows[1:]
        found += rows
    expected = [(example.position, {"key": example.key}) for example in stream.batch(0, 200)]
    assert sorted(found, key=lambda row: row[0]) == expected


def test_workers_and_ranks_share_a_mixture_without_repeating(picture_home: Home) -> None:
    data = ib_data.to_datasets(picture_home, "demo", count=130, available=True).remove_columns("image")
    found = [row["position"] for row in DataLoader(data, batch_size=None, num_workers=2)]
    assert sorted(found) == list(range(130))
    ranks = [[row["position"] for row in split_dataset_by_node(data, rank=rank, world_size=2)] for rank in range(2)]
    assert sorted(ranks[0] + ranks[1]) == list(range(130))
    assert ranks[0]
    assert ranks[1]


def test_what_is_missing_is_named(
    picture_home: Home, home: Home, build_split: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_split(home, "msvd_qa", 2)
    with pytest.raises(DataError, match="msvd_qa: holds clips"):
        ib_data.to_datasets(home, "msvd_qa")
    with pytest.raises(IbDataError, match="run `ib-data build gqa`"):
        ib_data.to_datasets(picture_home, "gqa")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ib-data\[datasets\]'"):
        ib_data.to_datasets(picture_home, "vqav2")


def test_a_chat_has_its_earlier_turns_and_a_build_without_media_no_images(dialogues: Home, tmp_path: Path) -> None:
    spec = tmp_path / "chats.toml"
    spec.write_text('base = "instructblip"\nonly = ["llava_conversation"]\n[render]\nturns = "chat"\n')
    data = ib_data.to_datasets(dialogues, str(spec), count=20)
    for row, example in zip(data, ib_data.open_stream(dialogues, str(spec)).batch(0, 20), strict=True):
        earlier = [{"question": turn.question, "answer": turn.answer} for turn in example.rendered.earlier]
        assert (row["image"], row["earlier"], row["target"]) == (None, earlier, example.rendered.target)
