"""Batched reads from shards that are kept open, and what a shard that is not the manifest's does to them."""

import errno
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

import ib_data.stored.shard_reader as shards_module
from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.sample import SampleError
from ib_data.stored.manifest import read_manifest
from ib_data.stored.rows import Rows
from ib_data.stored.sample_reader import OtherContentError, parse_stored
from ib_data.stored.shard_reader import ShardReader
from ib_data.stored.store import LocalStore, Place

Build = Callable[..., Path]


def places_of(folder: Path) -> list[Place]:
    """The place of each row of a split, in their order."""
    manifest = read_manifest(folder, folder.parent.name)
    assert manifest is not None
    rows = Rows(folder, manifest, folder.parents[2] / "cache")
    return [rows.place(row) for row in range(rows.count)]


def num_open_shards() -> int:
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            names.append(entry.readlink().name)
        except FileNotFoundError:  # the descriptor that lists the folder
            continue
    return sum(name.endswith(".tar") for name in names)


@pytest.fixture
def folder(tmp_path: Path, build_split: Build) -> Path:
    return build_split(Home(tmp_path), "vqav2", 20)


def test_a_batch_comes_in_the_asked_order_and_each_extent_is_read_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = places_of(folder)
    shuffled = [places[i * 17 % 40] for i in range(40)]
    reader = ShardReader(LocalStore(Home(tmp_path)))
    reads: list[tuple[int, int]] = []
    pread = os.pread

    def counted(descriptor: int, num_bytes: int, offset: int) -> bytes:
        reads.append((descriptor, offset))
        return pread(descriptor, num_bytes, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", counted)
        data = reader.read(shuffled)
    assert len(reads) == len(set(reads)) == 20
    for place, found in zip(shuffled, data, strict=True):
        whole = (place.folder / place.shard.name).read_bytes()
        assert found == whole[place.extent.offset :][: place.extent.num_bytes]
        assert parse_stored(place.extent, found)[0].key.startswith("vqav2-train-")
    meter = reader.meter
    assert (meter.num_opened, meter.num_fetched, meter.num_cache_hits) == (3, 0, 0)
    assert meter.read_s > 0
    assert reader.read([]) == []


def test_reads_go_through_each_shard_once_and_forwards(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, int]] = []
    pread = os.pread

    def noted(descriptor: int, num_bytes: int, offset: int) -> bytes:
        read.append((descriptor, offset))
        return pread(descriptor, num_bytes, offset)

    monkeypatch.setattr(os, "pread", noted)
    reader = ShardReader(LocalStore(Home(tmp_path)), max_open=1)
    reader.read(places_of(folder)[::-1])
    assert reader.meter.num_opened == 3
    starts = [offset for _, offset in read]
    assert starts == sorted(starts[:8]) + sorted(starts[8:16]) + sorted(starts[16:])


@pytest.mark.parametrize("max_open", [1, 2])
def test_no_more_than_max_open_stay_open(folder: Path, tmp_path: Path, max_open: int) -> None:
    before = num_open_shards()
    places = places_of(folder)
    reader = ShardReader(LocalStore(Home(tmp_path)), max_open=max_open)
    for place in places:
        reader.read([place])
        assert num_open_shards() - before <= max_open
    assert reader.meter.num_opened == 3
    reader.read([places[0], places[-1]])
    assert reader.meter.num_opened == (5 if max_open == 1 else 4)
    reader.close()
    assert num_open_shards() == before
    assert reader.read(places[:1]) == ShardReader(LocalStore(Home(tmp_path))).read(places[:1])


def test_a_reader_that_is_let_go_closes_its_shards(folder: Path, tmp_path: Path) -> None:
    before = num_open_shards()
    reader = ShardReader(LocalStore(Home(tmp_path)))
    reader.read(places_of(folder))
    assert num_open_shards() > before
    del reader
    assert num_open_shards() == before


def test_too_many_open_files_are_no_damage(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    places = places_of(folder)
    monkeypatch.setattr("ib_data.stored.sample_reader.os.open", full)
    with pytest.raises(DataError, match="shard cannot be read: Too many open files; raise `ulimit -n`"):
        ShardReader(LocalStore(Home(tmp_path))).read(places)


def test_a_shard_that_is_not_read_any_more_is_closed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "_IDLE_CALLS", 3)
    before = num_open_shards()
    places = places_of(folder)
    reader = ShardReader(LocalStore(Home(tmp_path)))
    reader.read([places[0], places[16]])
    for _ in range(4):
        reader.read([places[16]])
    reader.read([places[32]])
    assert num_open_shards() - before == 2
    reader.close()


def _read_elsewhere(reader: ShardReader, places: list[Place]) -> list[bytes]:
    return reader.read(places)


def test_a_reader_goes_to_a_spawned_process_without_its_descriptors(folder: Path, tmp_path: Path) -> None:
    places = places_of(folder)
    reader = ShardReader(LocalStore(Home(tmp_path)), max_open=7)
    expected = reader.read(places)
    twin = pickle.loads(pickle.dumps(reader))  # noqa: S301 (as a worker receives it)
    assert (twin.max_open, twin.meter.num_opened) == (7, 0)
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(_read_elsewhere, (reader, places)) == expected


def test_a_forked_process_reads_on_through_the_same_descriptors(folder: Path, tmp_path: Path) -> None:
    places = places_of(folder)
    reader = ShardReader(LocalStore(Home(tmp_path)))
    expected = reader.read(places)
    child = os.fork()
    if child == 0:
        os._exit(0 if reader.read(places) == expected and reader.meter.num_opened == 3 else 1)
    assert reader.read(places[::-1]) == expected[::-1]
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda shard: shard.unlink(), "shard is missing; build vqav2 again"),
        (lambda shard: os.truncate(shard, 4096), "expected [0-9,]+ bytes as the manifest says, found 4,096; build"),
        (lambda shard: shard.write_bytes(shard.read_bytes() + bytes(512)), "expected [0-9,]+ bytes as the manifest"),
        (
            lambda shard: shard.write_bytes(b""),
            "expected 20,480 bytes as the manifest says, found 0; build vqav2 again",
        ),
    ],
)
def test_a_shard_that_is_not_the_manifests_is_refused_when_it_is_opened(
    folder: Path, tmp_path: Path, harm: Callable[[Path], object], says: str
) -> None:
    places = places_of(folder)
    harm(folder / places[0].shard.name)
    before = num_open_shards()
    with pytest.raises(DataError, match=rf"vqav2: \S+vqav2-train-000000\.tar: {says}"):
        ShardReader(LocalStore(Home(tmp_path))).read(places[:1])
    assert num_open_shards() == before


def test_a_shard_that_is_cut_short_while_it_is_open_is_refused(folder: Path, tmp_path: Path) -> None:
    places = places_of(folder)
    reader = ShardReader(LocalStore(Home(tmp_path)))
    reader.read(places[:1])
    os.truncate(folder / places[0].shard.name, 5000)
    with pytest.raises(DataError, match=r"byte \d+: expected [0-9,]+ bytes, the shard gave [0-9,]+; the shard is cut"):
        reader.read(places[:16])
    reader.close()


def test_a_shard_built_anew_while_it_is_open_is_still_read_as_it_was(
    folder: Path, tmp_path: Path, build_split: Build
) -> None:
    places = places_of(folder)
    reader = ShardReader(LocalStore(Home(tmp_path)))
    expected = reader.read(places)
    for shard in folder.glob("*.tar"):
        shard.unlink()
    build_split(Home(tmp_path), "vqav2", 30)
    assert reader.read(places) == expected
    reader.close()


def test_other_content_of_the_same_size_is_noticed(folder: Path, tmp_path: Path) -> None:
    """Another key in the JSON, in either tar header, or members of another size at the same place."""
    place = places_of(folder)[0]
    extent = place.extent
    (data,) = ShardReader(LocalStore(Home(tmp_path))).read([place])
    media_start, json_start = extent.media_offset - extent.offset, extent.json_offset - extent.offset
    key, other = b"vqav2-train-000000", b"vqav2-train-000009"

    def parse(harmed: bytes) -> None:
        parse_stored(extent, harmed)

    parse(data)
    says = "expected a member of sample 'vqav2-train-00000[09]', found 'vqav2-train-00000[09].(jpg|json)"
    for start, end in ((0, 512), (json_start - 512, json_start), (json_start, len(data))):
        with pytest.raises(OtherContentError, match=says):
            parse(data[:start] + data[start:end].replace(key, other) + data[end:])
    for start in (media_start, json_start):
        with pytest.raises(OtherContentError, match=r"expected a member of [0-9,]+ bytes, found another one"):
            parse(data[: start - 388] + b"00000000777\0" + data[start - 376 :])
    with pytest.raises(OtherContentError, match=r"expected [0-9,]+ bytes, the shard ends after"):
        parse(data[: json_start + 10])
    with pytest.raises(SampleError, match="a sample's JSON cannot be read"):
        parse(data[:json_start] + b"?" + data[json_start + 1 :])
    with pytest.raises(OtherContentError, match="the shard ends after"):
        parse_stored(replace(extent, json_offset=extent.offset), data)
