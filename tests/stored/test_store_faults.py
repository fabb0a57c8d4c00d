"""Faults of an object store and of the cache beside it: each names its own shard, or is worked around."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from far_shards import places_of

from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.stored.manifest import read_manifest
from ib_data.stored.shard_reader import ShardReader
from ib_data.stored.store import LocalStore, Store, store_of
from ib_data.stored.urls import DEFAULT_CACHE_BYTES

Build = Callable[..., Path]


def expected(far: Home) -> list[bytes]:
    return ShardReader(LocalStore(far)).read(places_of(LocalStore(far), far.cache))


def store(far: Home, near: Home, cache_bytes: int | None = None) -> Store:
    return store_of(near, f"file://{far.root}/shards", cache_bytes)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("cache_bytes", [None, 0])
def test_a_range_that_fails_names_its_own_shard(
    far: Home, near: Home, monkeypatch: pytest.MonkeyPatch, number: int, cache_bytes: int | None
) -> None:
    broken = f"vqav2-train-{number:06d}.tar"
    reading = store(far, near, cache_bytes)
    places = places_of(reading, near.cache)
    filesystem = type(fsspec.filesystem("file"))
    real = filesystem.cat_file

    def cat_file(self: object, path: str, *arguments: object, **options: object) -> bytes:
        if path.endswith(broken):
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        return real(self, path, *arguments, **options)

    monkeypatch.setattr(filesystem, "cat_file", cat_file)
    with pytest.raises(DataError, match=rf"/vqav2/train/{broken}: cannot be read: ConnectionResetError: .* look at"):
        ShardReader(reading).read(places)


def test_errors_that_a_library_returns_are_not_taken_for_bytes(
    far: Home, near: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fsspec 2024.6 does of S3, whatever it is told."""
    reading = store(far, near)
    places = places_of(reading, near.cache)

    def cat_ranges(_self: object, paths: list[str], *_arguments: object, **_options: object) -> list[object]:
        return [TimeoutError("no answer") for _ in paths]

    monkeypatch.setattr(type(fsspec.filesystem("file")), "cat_ranges", cat_ranges)
    with pytest.raises(DataError, match="cannot be read: TimeoutError: no answer"):
        ShardReader(reading).read(places)


def test_on_a_disk_without_inodes_shards_are_read_by_ranges(
    far: Home, near: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading = store(far, near)
    places = places_of(reading, near.cache)
    shards, real = near.cache / "shards", os.open

    def full(path: object, flags: int, *arguments: object, **options: object) -> int:
        if Path(str(path)).parent == shards and flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, flags, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        reader = ShardReader(reading)
        assert reader.read(places) == expected(far)
        assert (reader.meter.num_opened, reader.meter.num_fetched) == (0, 0)
    assert capsys.readouterr().err.count("or the disk is full") == 1


def loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("harm", [Path.mkdir, loop])
def test_what_stands_where_a_copy_belongs_is_named(far: Home, near: Home, harm: Callable[[Path], None]) -> None:
    reading = store(far, near)
    places = places_of(reading, near.cache)
    manifest = read_manifest(places[0].folder, "vqav2")
    assert manifest is not None
    (near.cache / "shards").mkdir()
    harm(near.cache / "shards" / f"{manifest.shards[0].sha256}.tar")
    says = rf"vqav2: {near.cache}/shards: the shard cannot be cached: .*{manifest.shards[0].sha256}.*; delete what is"
    with pytest.raises(DataError, match=says):
        ShardReader(reading).read(places)


@pytest.mark.parametrize("harm", [Path.mkdir, loop])
def test_what_cannot_be_removed_from_the_cache_is_named(far: Home, near: Home, harm: Callable[[Path], None]) -> None:
    (near.cache / "shards").mkdir(parents=True)
    harm(near.cache / "shards" / "0.tar")
    says = rf"the cache cannot be cut to 0 bytes: .*{near.cache}/shards/0.tar.*; delete"
    with pytest.raises(IbDataError, match=says):
        store(far, near, 0)


def test_a_cache_that_is_a_file_is_named(far: Home, near: Home) -> None:
    reading = store(far, near)
    places = places_of(reading, near.cache)
    (near.cache / "shards").write_text("a file where a folder should be")
    with pytest.raises(DataError, match=rf"vqav2: {near.cache}/shards: the shard cannot be cached: "):
        ShardReader(reading).read(places)


def test_a_new_store_with_a_lower_bound_gives_room_back(far: Home, near: Home) -> None:
    def num_kept() -> int:
        return len(list((near.cache / "shards").glob("*.tar")))

    reader = ShardReader(store(far, near))
    reader.read(places_of(reader.store, near.cache))
    store(far, near, 20_480)
    assert num_kept() == 3  # in use
    reader.close()
    store(far, near, DEFAULT_CACHE_BYTES)
    assert num_kept() == 3
    store(far, near, 20_480)
    assert num_kept() == 1
