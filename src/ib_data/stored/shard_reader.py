"""Reading many extents at once from shards that are kept open."""

import os
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ib_data.errors import DataError
from ib_data.stored.index import Extent
from ib_data.stored.manifest import Shard
from ib_data.stored.meter import Meter
from ib_data.stored.store import Store

# A descriptor keeps its shard in the cache; after so many calls without a read it is given up, so that the window of a
# run may move on. A shard of 1,000 samples among 26 datasets is read again long before.
_IDLE_CALLS = 1024

_Key = tuple[Path, str, int, int]  # folder, shard, offset, number of bytes


@dataclass(frozen=True, slots=True)
class Request:
    """An extent to read of a shard as its manifest describes it."""

    folder: Path
    shard: Shard
    extent: Extent


@dataclass(slots=True)
class _OpenShard:
    descriptor: int
    used_in_call: int


class ShardReader:
    """Reads extents; one a process, used by one thread at a time. `meter` counts its seconds and shards.

    At most `max_open` descriptors stay open, the least recently used is closed first, and all of them with the reader.
    They are read with `pread` alone, so a forked process may go on with them; a pickled reader comes without.
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

    def each(self, requests: Sequence[Request]) -> Iterator[tuple[int, bytes]]:
        """The number of each request and the bytes of its extent, in the order in which they lie in the shards.

        What is asked twice is read once. One at a time, so that its bytes are used while the processor still has them:
        of 64 extents of 100 kB read in one go the first are gone from its cache when they are looked at. Raises
        DataError for a shard that is missing, not of its size, or too short.
        """
        self._calls += 1
        wanted: dict[_Key, list[int]] = {}
        for number, request in enumerate(requests):
            extent = request.extent
            wanted.setdefault((request.folder, request.shard.name, extent.offset, extent.num_bytes), []).append(number)
        far: list[_Key] = []
        for key in sorted(wanted):
            request = requests[wanted[key][0]]
            began = time.perf_counter()
            data = self._local(request)
            if data is None:
                far.append(key)
                continue
            self._refuse_other_length(request, data)
            self.meter.read_s += time.perf_counter() - began
            yield from ((number, data) for number in wanted[key])
        if not far:
            return
        asked = [requests[wanted[key][0]] for key in far]
        began = time.perf_counter()
        found = self.store.ranges([(request.folder, request.shard, request.extent) for request in asked])
        self.meter.read_s += time.perf_counter() - began
        self._count_shards()
        for key, request, data in zip(far, asked, found, strict=True):
            self._refuse_other_length(request, data)
            yield from ((number, data) for number in wanted[key])

    def read(self, requests: Sequence[Request]) -> list[bytes]:
        """The bytes of each extent, in the order of the requests; see `each`."""
        found = dict(self.each(requests))
        return [found[number] for number in range(len(requests))]

    def close(self) -> None:
        """Close all descriptors; a later read opens them again."""
        _close(self._open)

    def _local(self, request: Request) -> bytes | None:
        """The bytes of an extent through a descriptor; None where the shard has none."""
        name = (request.folder, request.shard.name)
        shard = self._open.get(name)
        if shard is None:
            self._make_room()
            descriptor = self.store.open(request.folder, request.shard)
            self._count_shards()
            if descriptor is None:
                return None
            self.meter.num_opened += 1
            shard = self._open[name] = _OpenShard(descriptor, self._calls)
        shard.used_in_call = self._calls
        self._open.move_to_end(name)
        return os.pread(shard.descriptor, request.extent.num_bytes, request.extent.offset)

    def _refuse_other_length(self, request: Request, data: bytes) -> None:
        extent = request.extent
        if len(data) < extent.num_bytes:
            problem = f"expected {extent.num_bytes:,} bytes, the shard gave {len(data):,}"
            raise self.damage(request.folder, request.shard.name, extent, problem, "the shard is cut short")
        if len(data) > extent.num_bytes:
            problem = f"asked for a range of {extent.num_bytes:,} bytes, and was given {len(data):,}"
            remedy = "it gives no ranges: use a server that does, or a cache with room for whole shards"
            file = self.store.address(request.folder, request.shard.name)
            raise DataError(request.folder.parent.name, problem, file=file, remedy=remedy)

    def damage(self, folder: Path, shard: str, extent: Extent, problem: str, why: str) -> DataError:
        """The error of an extent that is not what the index says, with the shard's place and remedy."""
        dataset = folder.parent.name
        file, remedy = self.store.address(folder, shard), f"{why}: {self.store.remedy(dataset)}"
        return DataError(dataset, problem, file=file, row=f"byte {extent.offset}", remedy=remedy)

    def _make_room(self) -> None:
        while self._open:
            oldest = next(iter(self._open.values()))
            if len(self._open) < self.max_open and self._calls - oldest.used_in_call <= _IDLE_CALLS:
                return
            os.close(self._open.popitem(last=False)[1].descriptor)

    def _count_shards(self) -> None:
        """Add what the store fetched, and found in its cache, since the last time."""
        fetched, hits = self._counted
        self._counted = (self.store.num_fetched, self.store.num_cache_hits)
        self.meter.num_fetched += self._counted[0] - fetched
        self.meter.num_cache_hits += self._counted[1] - hits


def _close(shards: OrderedDict[tuple[Path, str], _OpenShard]) -> None:
    while shards:
        os.close(shards.popitem()[1].descriptor)
