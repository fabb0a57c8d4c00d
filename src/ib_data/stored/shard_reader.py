"""Reads many extents at once from shards that stay open."""

import os
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ib_data.errors import DataError
from ib_data.stored.meter import Meter
from ib_data.stored.sample_reader import DAMAGED
from ib_data.stored.store import Place, Store

# An open descriptor keeps its shard in the cache, so it is closed after this many calls without a read: the window of
# a run moves on. A shard of 1,000 samples among 26 datasets is read again long before.
_IDLE_CALLS = 1024

_Key = tuple[Path, str, int, int]  # folder, shard, offset, number of bytes


@dataclass(slots=True)
class _OpenShard:
    descriptor: int
    used_in_call: int


class ShardReader:
    """Reads extents; one per process, used by one thread at a time. `meter` counts its seconds and shards.

    At most `max_open` descriptors stay open; the least recently used is closed first, and all of them with the reader.
    Reads use only `pread`, so a forked process may use the same descriptors; a pickled reader has none open.
    """

    def __init__(self, store: Store, max_open: int = 256) -> None:
        self.store = store
        self.max_open = max_open
        self.meter = Meter()
        self._counted = (store.num_fetched, store.num_cache_hits)
        self._open: OrderedDict[tuple[Path, str], _OpenShard] = OrderedDict()
        self._calls = 0
        weakref.finalize(self, _close, self._open)

    def __reduce__(self) -> tuple[type["ShardReader"], tuple[Store, int]]:
        return ShardReader, (self.store, self.max_open)

    def each(self, places: Sequence[Place]) -> Iterator[tuple[int, bytes]]:
        """Yields the number of each place and its bytes, in the order of the shards.

        A place given twice is read once. Yields one at a time, so that bytes are used while they are in the
        processor's cache: of 64 extents of 100 kB read at once, the first are evicted before they are used. Raises
        DataError for a shard that is missing, too short or of the wrong size.
        """
        self._calls += 1
        wanted: dict[_Key, list[int]] = {}
        for number, place in enumerate(places):
            extent = place.extent
            wanted.setdefault((place.folder, place.shard.name, extent.offset, extent.num_bytes), []).append(number)
        remote: list[_Key] = []
        for key in sorted(wanted):
            place = places[wanted[key][0]]
            began = time.perf_counter()
            data = self._local(place)
            if data is None:
                remote.append(key)
                continue
            if len(data) != place.extent.num_bytes:
                raise self._other_length(place, data)
            self.meter.read_s += time.perf_counter() - began
            for number in wanted[key]:
                yield number, data
        if not remote:
            return
        asked = [places[wanted[key][0]] for key in remote]
        began = time.perf_counter()
        found = self.store.ranges(asked)
        self.meter.read_s += time.perf_counter() - began
        self._count_shards()
        for key, place, data in zip(remote, asked, found, strict=True):
            if len(data) != place.extent.num_bytes:
                raise self._other_length(place, data)
            for number in wanted[key]:
                yield number, data

    def read(self, places: Sequence[Place]) -> list[bytes]:
        """The bytes of each place, in the order of `places`; see `each`."""
        found = dict(self.each(places))
        return [found[number] for number in range(len(places))]

    def damage(self, place: Place, problem: str, why: str = DAMAGED) -> DataError:
        """The error for a sample that does not match the index, with the shard's address and the remedy."""
        dataset = place.folder.parent.name
        file, remedy = self.store.address(place.folder, place.shard.name), f"{why}: {self.store.remedy(dataset)}"
        return DataError(dataset, problem, file=file, row=f"byte {place.extent.offset}", remedy=remedy)

    def close(self) -> None:
        """Close all descriptors; a later read opens them again."""
        _close(self._open)

    def _local(self, place: Place) -> bytes | None:
        """The bytes of a place read through a descriptor, or None if the shard has no descriptor."""
        name = (place.folder, place.shard.name)
        shard = self._open.get(name)
        if shard is None:
            self._make_room()
            descriptor = self.store.open(place.folder, place.shard)
            self._count_shards()
            if descriptor is None:
                return None
            self.meter.num_opened += 1
            shard = self._open[name] = _OpenShard(descriptor, self._calls)
        shard.used_in_call = self._calls
        self._open.move_to_end(name)
        return os.pread(shard.descriptor, place.extent.num_bytes, place.extent.offset)

    def _other_length(self, place: Place, data: bytes) -> DataError:
        num_bytes = place.extent.num_bytes
        if len(data) < num_bytes:
            problem = f"expected {num_bytes:,} bytes, the shard gave {len(data):,}"
            return self.damage(place, problem, "the shard is cut short")
        problem = f"asked for a range of {num_bytes:,} bytes, and was given {len(data):,}"
        remedy = "it gives no ranges: use a server that does, or a cache with room for whole shards"
        file = self.store.address(place.folder, place.shard.name)
        return DataError(place.folder.parent.name, problem, file=file, remedy=remedy)

    def _make_room(self) -> None:
        while self._open:
            oldest = next(iter(self._open.values()))
            if len(self._open) < self.max_open and self._calls - oldest.used_in_call <= _IDLE_CALLS:
                return
            os.close(self._open.popitem(last=False)[1].descriptor)

    def _count_shards(self) -> None:
        """Add the shards that the store fetched or found in its cache since the last call."""
        fetched, hits = self._counted
        self._counted = (self.store.num_fetched, self.store.num_cache_hits)
        self.meter.num_fetched += self._counted[0] - fetched
        self.meter.num_cache_hits += self._counted[1] - hits


def _close(shards: OrderedDict[tuple[Path, str], _OpenShard]) -> None:
    while shards:
        os.close(shards.popitem()[1].descriptor)
