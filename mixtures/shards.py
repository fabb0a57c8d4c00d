"""Reading many extents at once from shards that are kept open."""

import os
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ib_data.builders.index import Extent
from ib_data.errors import DataError
from ib_data.mixtures.store import Store

# A descriptor keeps its shard in the cache; after so many calls without a read it is given up, so that the window of a
# run may move on. A shard of 1,000 samples among 26 datasets is read again long before.
_IDLE_CALLS = 1024


@dataclass(frozen=True, slots=True)
class Request:
    """An extent to read; `num_bytes_of_shard` is the size of the whole shard as its manifest says."""

    folder: Path
    shard: str
    num_bytes_of_shard: int
    extent: Extent


@dataclass(slots=True)
class Counters:
    """What a reader did: reads and their bytes, seconds in `read`, shards opened, fetched from afar, found in cache."""

    reads: int = 0
    bytes: int = 0
    seconds: float = 0.0
    opened: int = 0
    fetched: int = 0
    cache_hits: int = 0


@dataclass(slots=True)
class _OpenShard:
    descriptor: int
    used_in_call: int


class ShardReader:
    """Reads extents; one a process, used by one thread at a time.

    At most `max_open` descriptors stay open, the least recently used is closed first. They are read with `pread` alone,
    so a forked process may go on with them; a pickled reader comes without.
    """

    def __init__(self, store: Store, max_open: int = 256) -> None:
        self.store = store
        self.max_open = max_open
        self.counters = Counters()
        self._open: OrderedDict[tuple[Path, str], _OpenShard] = OrderedDict()
        self._calls = 0

    def __reduce__(self) -> tuple[type["ShardReader"], tuple[Store, int]]:
        return ShardReader, (self.store, self.max_open)

    def read(self, requests: Sequence[Request]) -> list[bytes]:
        """The bytes of each extent, in the order of the requests; what is asked twice is read once.

        Raises DataError for a shard that is missing, not of its size, or too short.
        """
        began = time.perf_counter()
        self._calls += 1
        wanted = {(r.folder, r.shard, r.extent.offset, r.extent.num_bytes): r for r in requests}
        found: dict[tuple[Path, str, int, int], bytes] = {}
        not_here: set[tuple[Path, str]] = set()
        for key in sorted(wanted):
            data = None if key[:2] in not_here else self._local(wanted[key])
            if data is None:
                not_here.add(key[:2])
            else:
                found[key] = data
        far = [key for key in wanted if key not in found]
        if far:
            ranges = self.store.ranges([(wanted[key].folder, wanted[key].shard, wanted[key].extent) for key in far])
            found.update(zip(far, ranges, strict=True))
        for key, data in found.items():
            _refuse_short(wanted[key], data)
        self._count(found.values(), time.perf_counter() - began)
        return [found[r.folder, r.shard, r.extent.offset, r.extent.num_bytes] for r in requests]

    def close(self) -> None:
        """Close all descriptors; a later read opens them again."""
        while self._open:
            os.close(self._open.popitem()[1].descriptor)

    def _local(self, request: Request) -> bytes | None:
        """The bytes of an extent through a descriptor; None where the shard has none."""
        name = (request.folder, request.shard)
        shard = self._open.get(name)
        if shard is None:
            self._make_room()
            descriptor = self.store.open(request.folder, request.shard, request.num_bytes_of_shard)
            if descriptor is None:
                return None
            self.counters.opened += 1
            shard = self._open[name] = _OpenShard(descriptor, self._calls)
        shard.used_in_call = self._calls
        self._open.move_to_end(name)
        return os.pread(shard.descriptor, request.extent.num_bytes, request.extent.offset)

    def _make_room(self) -> None:
        while self._open:
            oldest = next(iter(self._open.values()))
            if len(self._open) < self.max_open and self._calls - oldest.used_in_call <= _IDLE_CALLS:
                return
            os.close(self._open.popitem(last=False)[1].descriptor)

    def _count(self, read: Collection[bytes], seconds: float) -> None:
        counters = self.counters
        counters.reads += len(read)
        counters.bytes += sum(map(len, read))
        counters.seconds += seconds
        counters.fetched, counters.cache_hits = self.store.num_fetched, self.store.num_cache_hits


def _refuse_short(request: Request, data: bytes) -> None:
    if len(data) != request.extent.num_bytes:
        dataset = request.folder.parent.name
        problem = f"expected {request.extent.num_bytes:,} bytes, the shard gave {len(data):,}"
        raise DataError(
            dataset,
            problem,
            file=str(request.folder / request.shard),
            row=f"byte {request.extent.offset}",
            remedy=f"the shard is cut short: build {dataset} again",
        )
