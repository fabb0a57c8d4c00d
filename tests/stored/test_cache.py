"""The cache of an object store's shards: bounded, shared, never in the way."""

import errno
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from ib_data.errors import DataError
from ib_data.stored.shard_cache import ShardCache

SHARDS = {sha256(bytes([n])).hexdigest(): bytes([n]) * 1000 for n in range(6)}
CONTENT = {sha256(data).hexdigest(): data for data in SHARDS.values()}
NAMES = list(CONTENT)


def fill(cache: ShardCache, name: str) -> int | None:
    with cache.filling(name):
        return cache.add(name, 1000, lambda: iter([CONTENT[name][:600], CONTENT[name][600:]]))


def kept(cache: ShardCache) -> set[str]:
    return {path.stem for path in cache.folder.glob("*.tar")}


def num_bytes(cache: ShardCache) -> int:
    return sum(path.stat().st_size for path in cache.folder.iterdir())


def fill_and_close(cache: ShardCache, *names: str) -> None:
    for name in names:
        descriptor = fill(cache, name)
        assert descriptor is not None
        os.close(descriptor)


def disk_with(monkeypatch: pytest.MonkeyPatch, cache: ShardCache, free_bytes: int) -> None:
    """A disk on which others leave `free_bytes`, and what is removed from the cache comes to it."""
    real, before = os.statvfs(cache.folder), kept(cache)

    def statvfs(_path: object) -> os.statvfs_result:
        free = free_bytes + 4096 * len(before - kept(cache))
        return os.statvfs_result((1, 1, 10**9, free, free, *real[5:]))

    monkeypatch.setattr(os, "statvfs", statvfs)


@pytest.fixture
def cache(tmp_path: Path) -> ShardCache:
    """Room for three shards of 1,000 bytes."""
    return ShardCache(tmp_path / "shards", 3500)


def test_what_is_added_is_found_again(cache: ShardCache) -> None:
    assert cache.open(NAMES[0], 1000) is None
    for descriptor in (fill(cache, NAMES[0]), cache.open(NAMES[0], 1000)):
        assert descriptor is not None
        assert os.pread(descriptor, 2000, 0) == CONTENT[NAMES[0]]
        os.close(descriptor)
    assert kept(cache) == {NAMES[0]}


def test_the_least_recently_used_makes_room_and_the_bound_holds(cache: ShardCache) -> None:
    fill_and_close(cache, *NAMES[:3])
    descriptor = cache.open(NAMES[0], 1000)
    assert descriptor is not None
    os.close(descriptor)
    fill_and_close(cache, NAMES[3])
    assert kept(cache) == {NAMES[0], NAMES[2], NAMES[3]}
    fill_and_close(cache, NAMES[4], NAMES[5])
    assert kept(cache) == {NAMES[3], NAMES[4], NAMES[5]}
    assert num_bytes(cache) == 3000


def test_what_is_in_use_is_never_removed(cache: ShardCache) -> None:
    held = fill(cache, NAMES[0])
    assert held is not None
    fill_and_close(cache, *NAMES[1:6])
    assert NAMES[0] in kept(cache)
    assert num_bytes(cache) == 3000
    os.close(held)
    fill_and_close(cache, NAMES[1])
    assert NAMES[0] not in kept(cache)


def test_where_all_is_in_use_there_is_no_room(cache: ShardCache) -> None:
    held = [fill(cache, name) for name in NAMES[:3]]
    assert fill(cache, NAMES[3]) is None
    assert kept(cache) == set(NAMES[:3])
    assert num_bytes(cache) == 3000
    for descriptor in held:
        assert descriptor is not None
        os.close(descriptor)


def test_a_shard_larger_than_the_cache_removes_nothing(cache: ShardCache) -> None:
    fill_and_close(cache, *NAMES[:3])
    assert cache.add(NAMES[4], 4000, lambda: iter([b"x" * 4000])) is None
    assert kept(cache) == set(NAMES[:3])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_fills_up_while_a_shard_arrives_is_no_error(
    cache: ShardCache, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    write, calls = os.write, []

    def full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return write(descriptor, data[:100])
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert fill(cache, NAMES[0]) is None
    assert calls == [600, 500]
    assert num_bytes(cache) == 0
    fill_and_close(cache, NAMES[0])


def test_a_disk_without_room_is_known_before_anything_is_fetched(
    cache: ShardCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_and_close(cache, NAMES[0])
    disk_with(monkeypatch, cache, 0)

    def fetch() -> Iterator[bytes]:
        raise AssertionError("nothing is fetched")
        yield b""

    larger = ShardCache(cache.folder, 10**9)
    assert larger.add(NAMES[1], 10**6, fetch) is None
    assert kept(cache) == {NAMES[0]}  # the room that it takes would not have been enough


def test_on_a_full_disk_unused_copies_make_room(cache: ShardCache, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_and_close(cache, *NAMES[:2])
    disk_with(monkeypatch, cache, 0)
    fill_and_close(cache, NAMES[2])
    assert kept(cache) == {NAMES[1], NAMES[2]}


def test_nothing_is_removed_where_those_in_use_leave_no_room(cache: ShardCache) -> None:
    held = [fill(cache, name) for name in NAMES[:2]]
    fill_and_close(cache, NAMES[2])
    assert cache.add(NAMES[3], 2000, lambda: iter([b"x" * 2000])) is None
    assert kept(cache) == set(NAMES[:3])
    for descriptor in held:
        assert descriptor is not None
        os.close(descriptor)


def test_a_lowered_bound_removes_what_is_beyond_it(cache: ShardCache) -> None:
    fill_and_close(cache, *NAMES[:3])
    in_use = cache.open(NAMES[0], 1000)
    assert in_use is not None
    ShardCache(cache.folder, 2500).trim()
    assert kept(cache) == {NAMES[0], NAMES[2]}
    ShardCache(cache.folder, 0).trim()
    assert kept(cache) == {NAMES[0]}
    os.close(in_use)
    ShardCache(cache.folder / "absent", 0).trim()
    assert not (cache.folder / "absent").exists()


def test_other_faults_of_the_disk_are_not_hidden(cache: ShardCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", broken)
    with pytest.raises(OSError, match="Input/output error"):
        fill(cache, NAMES[0])
    assert num_bytes(cache) == 0


def test_a_shard_that_is_refused_leaves_nothing(cache: ShardCache) -> None:
    def fetch() -> Iterator[bytes]:
        yield b"x" * 500
        raise DataError("vqav2", "not the shard of the manifest")

    with pytest.raises(DataError):
        cache.add(NAMES[0], 1000, fetch)
    assert num_bytes(cache) == 0
    fill_and_close(cache, NAMES[0])


@pytest.mark.parametrize("harmed", [b"", CONTENT[NAMES[0]][:-1], b"y" + CONTENT[NAMES[0]][1:], b"x" * 1001])
def test_an_altered_copy_is_not_taken_and_is_replaced(cache: ShardCache, harmed: bytes) -> None:
    fill_and_close(cache, NAMES[0])
    (cache.folder / f"{NAMES[0]}.tar").write_bytes(harmed)
    assert cache.open(NAMES[0], 1000) is None
    fill_and_close(cache, NAMES[0])
    descriptor = cache.open(NAMES[0], 1000)
    assert descriptor is not None
    assert os.pread(descriptor, 2000, 0) == CONTENT[NAMES[0]]
    os.close(descriptor)


def test_a_copy_that_was_only_touched_is_checked_and_kept(cache: ShardCache) -> None:
    fill_and_close(cache, NAMES[0])
    os.utime(cache.folder / f"{NAMES[0]}.tar")
    descriptor = cache.open(NAMES[0], 1000)
    assert descriptor is not None
    os.close(descriptor)


def test_what_a_killed_process_left_is_cleared_away(cache: ShardCache) -> None:
    fill_and_close(cache, NAMES[0])
    (cache.folder / f"{NAMES[1]}.part").write_bytes(bytes(1000))
    (cache.folder / f"{NAMES[2]}.part").write_bytes(bytes(1000))
    fill_and_close(cache, NAMES[1], NAMES[3], NAMES[4])
    assert num_bytes(cache) == 3000
    assert not list(cache.folder.glob("*.part"))
