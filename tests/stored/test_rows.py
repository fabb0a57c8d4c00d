"""The mapped index: what it says, that processes share it, and what happens when it or the index is damaged."""

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.sample import Annotation, Media, Sample, Turn
from ib_data.stored.index import SCHEMA, Extent, index_rows, write_table
from ib_data.stored.manifest import INDEX, Manifest, Shard, read_manifest
from ib_data.stored.rows import Rows
from ib_data.stored.sample_reader import extent_of, parse_stored

Build = Callable[..., Path]
LONG = 140_000


def rows_of(folder: Path) -> Rows:
    manifest = read_manifest(folder, folder.parent.name)
    assert manifest is not None
    return Rows(folder, manifest, folder.parents[2] / "cache")


def built_from(folder: Path, num_samples: int, num_annotations: int) -> Rows:
    """The rows of the index in `folder`, over one shard `s.tar`."""
    counts = {"num_samples": num_samples, "num_annotations": num_annotations}
    shard = Shard(name="s.tar", num_bytes=0, sha256="", **counts)
    digest = sha256((folder / INDEX).read_bytes()).hexdigest()
    manifest = Manifest(
        dataset="visdial", split="train", **counts, num_drops=0, index_sha256=digest, drops_sha256="", shards=(shard,),
        recipe={},
    )  # fmt: skip
    return Rows(folder, manifest, folder / "cache")


@pytest.fixture(scope="module")
def long_rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """More rows than two batches hold, in many row groups: sample i has the rows 2i and 2i + 1."""
    folder, rows = tmp_path_factory.mktemp("long"), np.arange(LONG)
    numbers = {
        "offset": rows // 2 * 2048,
        "num_bytes": np.full(LONG, 2048),
        "json_offset": rows // 2 * 2048 + 512,
        "json_bytes": rows % 1000,
        "ordinal": rows % 2,
    }
    columns = {name: pa.array(values, SCHEMA.field(name).type) for name, values in numbers.items()}
    columns |= {
        "shard": pa.array(["s.tar"] * LONG),
        "key": pa.array([f"s-{row // 2}" for row in range(LONG)]),
        "id": pa.array([f"a{row}" for row in range(LONG)]),
        "question": pa.array(["q" if row % 3 else None for row in range(LONG)]),
    }
    arrays = {f.name: columns.get(f.name, pa.nulls(LONG, f.type)) for f in SCHEMA}
    pq.write_table(pa.table(arrays, schema=SCHEMA), folder / INDEX, row_group_size=9_999)
    return built_from(folder, LONG // 2, LONG)


def test_each_row_is_that_of_the_index(tiny_home: Home) -> None:
    folder = tiny_home.split("vqav2", "train")
    rows = rows_of(folder)
    table = pq.read_table(folder / INDEX).to_pylist()
    assert rows.count == len(table) == 40
    assert rows.num_samples == 20
    for number, row in enumerate(table):
        place = rows.place(number)
        assert (place.shard.name, rows.ordinal(number)) == (row["shard"], row["ordinal"])
        assert place.extent == replace(extent_of(row), media_extension=None)
        assert rows.ids(number) == (row["key"], row["id"])
        assert rows.media_sha256(number) == row["media_sha256"]
        assert rows.fields(number) == {"question", "answer"}
        data = (folder / place.shard.name).read_bytes()[place.extent.offset :][: place.extent.num_bytes]
        assert parse_stored(place.extent, data)[0].annotation(rows.ordinal(number)).id == row["id"]
    assert rows.samples.tolist() == list(range(0, 41, 2))
    assert rows.samples.dtype == np.int64


def test_rows_of_many_batches_are_found(long_rows: Rows) -> None:
    for row in (0, 1, 65_535, 65_536, 131_071, 131_072, LONG - 1):
        place = long_rows.place(row)
        assert long_rows.ids(row) == (f"s-{row // 2}", f"a{row}")
        assert place.extent == Extent(
            offset=row // 2 * 2048, num_bytes=2048, json_offset=row // 2 * 2048 + 512, json_bytes=row % 1000
        )
        assert long_rows.ordinal(row) == row % 2
        assert long_rows.fields(row) == ({"question"} if row % 3 else set())
        assert long_rows.media_sha256(row) is None
    assert long_rows.samples.tolist() == list(range(0, LONG + 1, 2))
    wanted = np.array([131_072, 5, 65_536])
    assert long_rows.take_ids(wanted) == (["s-65536", "s-2", "s-32768"], ["a131072", "a5", "a65536"])


def test_conversations_end_where_the_history_does_not_grow_by_one(tmp_path: Path) -> None:
    turns = [[0, 1, 2], [0, 0, 1], [2, 3], [0], [0, 2, 1]]
    rows = []
    for number, lengths in enumerate(turns):
        annotations = tuple(
            Annotation(id=f"{number}-{i}", question="q", history=(Turn("q", "a"),) * length)
            for i, length in enumerate(lengths)
        )
        media = Media(kind="image", source_name="1.jpg")
        sample = Sample(key=f"s-{number}", dataset="visdial", split="train", media=media, annotations=annotations)
        rows += index_rows(sample, "s.tar", Extent(offset=0, num_bytes=0, json_offset=0, json_bytes=0))
    write_table(rows, SCHEMA, tmp_path / INDEX)
    found = built_from(tmp_path, len(turns), len(rows))
    ends = [found.ids(int(row))[1] for row in found.last_turns]
    assert ends == ["0-2", "1-0", "1-2", "2-1", "3-0", "4-0", "4-1", "4-2"]
    assert found.last_turns.dtype == np.int64
    assert found.samples.tolist() == [0, 3, 6, 8, 9, 12]


def test_an_index_without_rows_has_none(tmp_path: Path) -> None:
    write_table([], SCHEMA, tmp_path / INDEX)
    rows = built_from(tmp_path, 0, 0)
    assert (rows.count, rows.samples.tolist(), rows.last_turns.tolist()) == (0, [0], [])


@pytest.mark.parametrize("row", [LONG, LONG + 1, 3 * 65_536, 10**9])
def test_a_row_beyond_the_last_is_named(long_rows: Rows, row: int) -> None:
    for ask in (long_rows.place, long_rows.fields):
        with pytest.raises(IndexError, match=f"there is no row {row}: expected 0 to 139999"):
            ask(row)


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "indices").iterdir())


def test_a_new_build_replaces_the_file_of_the_one_before(tmp_path: Path, build_split: Build) -> None:
    """Of the split itself alone; who has the earlier file mapped continues with it."""
    other = rows_of(build_split(Home(tmp_path), "vqav2", 3, split="validation"))
    other.place(0)
    before = rows_of(build_split(Home(tmp_path), "vqav2", 20))
    expected = [before.place(row) for row in range(40)]
    kept = names(tmp_path / "cache")
    after = rows_of(build_split(Home(tmp_path), "vqav2", 24))
    assert after.ids(47) == ("vqav2-train-000023", "23-1")
    assert [before.place(row) for row in range(40)] == expected
    assert len(names(tmp_path / "cache")) == len(kept)
    assert not any(before.manifest.index_sha256 in name for name in names(tmp_path / "cache"))
    assert {"vqav2-train", "vqav2-validation"} == {name.rpartition("-")[0][:-74] for name in kept if "arrow" in name}


def test_the_same_split_of_two_places_keeps_a_file_for_each(tmp_path: Path, build_split: Build) -> None:
    near, far = build_split(Home(tmp_path), "vqav2", 20), build_split(Home(tmp_path / "far"), "vqav2", 24)
    cache = tmp_path / "cache"
    manifests = [read_manifest(folder, "vqav2") for folder in (near, far)]
    for _ in range(2):
        for folder, manifest in zip((near, far), manifests, strict=True):
            assert manifest is not None
            Rows(folder, manifest, cache).place(0)
    assert len([name for name in names(cache) if name.endswith(".arrow")]) == 2


def _ids_elsewhere(rows: Rows) -> tuple[tuple[str, str], int]:
    return rows.ids(70_000), os.getpid()


def test_processes_that_start_together_make_one_file_and_share_it(long_rows: Rows, tmp_path: Path) -> None:
    rows = Rows(long_rows.folder, long_rows.manifest, tmp_path)
    with get_context("spawn").Pool(2) as pool:
        found = pool.map(_ids_elsewhere, [rows, rows], chunksize=1)
    assert [ids for ids, _ in found] == [("s-35000", "a70000")] * 2
    (made,) = (tmp_path / "indices").glob("*.arrow")
    before = made.stat().st_mtime_ns
    assert rows.ids(70_000) == ("s-35000", "a70000")
    assert made.stat().st_mtime_ns == before
    assert not list((tmp_path / "indices").glob("*.part"))


def test_a_pickle_of_used_rows_carries_no_rows(long_rows: Rows) -> None:
    assert long_rows.samples.size
    data = pickle.dumps(long_rows)
    assert len(data) < 2_000
    assert pickle.loads(data).ids(3) == ("s-1", "a3")  # noqa: S301 (as a worker receives it)


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:],
        lambda data: data[:-100] + bytes(100),
        lambda data: b"",
        lambda data: b"ARROW1",
    ],
)
def test_a_damaged_cache_file_is_made_again(tmp_path: Path, build_split: Build, harm: Callable[[bytes], bytes]) -> None:
    folder = build_split(Home(tmp_path), "vqav2", 20)
    expected = [rows_of(folder).ids(row) for row in range(40)]
    (made,) = (tmp_path / "cache" / "indices").glob("*.arrow")
    whole = made.read_bytes()
    made.write_bytes(harm(whole))
    rows = rows_of(folder)
    assert [rows.ids(row) for row in range(40)] == expected
    assert made.read_bytes() == whole


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda index: index.unlink(), "is missing; build vqav2 again"),
        (lambda index: index.write_bytes(b"PAR1?"), "is damaged or of another build: .*; build vqav2 again"),
        (
            lambda index: index.write_bytes((index.parents[2] / "okvqa" / "train" / INDEX).read_bytes()),
            r"vqav2: \S+index\.parquet: is damaged or of another build: expected sha256 \w+, found \w+; build",
        ),
    ],
)
def test_an_index_that_is_not_the_manifests_is_refused(
    tmp_path: Path, build_split: Build, harm: Callable[[Path], object], says: str
) -> None:
    build_split(Home(tmp_path), "okvqa", 3)
    folder = build_split(Home(tmp_path), "vqav2", 20)
    harm(folder / INDEX)
    with pytest.raises(DataError, match=says):
        rows_of(folder).place(0)
    assert not list(tmp_path.glob("cache/**/*.arrow"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: replace(m, num_annotations=39), "has 40 rows where the manifest says 39"),
        (lambda m: replace(m, shards=m.shards[1:]), "names a shard that is not in the manifest"),
    ],
)
def test_a_manifest_that_contradicts_its_index_is_refused(
    tmp_path: Path, build_split: Build, change: Callable[[Manifest], Manifest], says: str
) -> None:
    rows = rows_of(build_split(Home(tmp_path), "vqav2", 20))
    with pytest.raises(DataError, match=f"{says}; build vqav2 again"):
        Rows(rows.folder, change(rows.manifest), rows.cache).place(0)


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=r"index\.parquet: cannot be read: .*; build visdial again"):
        built_from(tmp_path, 1, 1).place(0)


def test_an_index_without_a_column_is_refused(tmp_path: Path, tiny_home: Home) -> None:
    table = pq.read_table(tiny_home.split("vqav2", "train") / INDEX)
    pq.write_table(table.drop_columns(["ordinal"]), tmp_path / INDEX)
    with pytest.raises(DataError, match=r"cannot be read: .*ordinal.*; build visdial again"):
        built_from(tmp_path, 20, 40).place(0)


def test_a_cache_that_cannot_be_written_is_named(tiny_home: Home, tmp_path: Path) -> None:
    rows = rows_of(tiny_home.split("vqav2", "train"))
    (tmp_path / "indices").write_text("a file where a folder should be")
    with pytest.raises(DataError, match=r"the index cannot be cached: .*make room there, or choose another --home"):
        Rows(rows.folder, rows.manifest, tmp_path).place(0)
