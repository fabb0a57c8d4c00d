"""Batches of a stream for PyTorch: a dataset for any loader, and a loader whose state follows the consumer.

Global batch t holds the positions [tG, (t + 1)G), where G is the global batch size. Process r of W takes the r-th of W
equal slices, and worker j of J makes whole batches t = j, j + J, ... So neither W nor J changes the contents of a
batch. Needs torch (`ib-data[train]`); `Stream.batch` gives the same examples without it.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.process import BaseProcess
from typing import Any, Generic

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from typing_extensions import TypeVar  # a dependency of torch; Python 3.13 has the default in typing

from ib_data.errors import IbDataError, os_error_line
from ib_data.given import fault, integer
from ib_data.mixtures.loader.handover import Handover
from ib_data.mixtures.loader.image_batch import ImageBatch, stack
from ib_data.mixtures.loader.ranks import world_and_rank
from ib_data.mixtures.loader.torch_defaults import cpu_as_default
from ib_data.mixtures.loader.worker_faults import CUT_OFF, fault_of, raise_for_dead_worker
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.stream import Stream
from ib_data.stored.meter import Meter
from ib_data.strict import Table

# Batches that a consumer holds besides the waiting ones: the one it works on, and the one it just dropped.
_HELD = 2


BatchT = TypeVar("BatchT", default=ImageBatch)
Collate = Callable[[list[Example]], BatchT]  # runs in the workers


class StreamDataset(IterableDataset[BatchT]):
    """Local batches of a stream, endless or one pass over everything; each worker makes its share of them.

    For `torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=J)` and for torchdata's StatefulDataLoader,
    which saves the `state_dict` of each worker: such a state fits the same J only. `StreamLoader` has no such limit.
    `batch_size` counts positions over all processes; raises ValueError if `world` does not divide it. `world` and
    `rank` default to those of torch.distributed or torchrun (see `ranks`). With `once` the last batch is shorter, and
    processes may differ by one batch.
    """

    def __init__(
        self,
        stream: Stream,
        batch_size: int,
        collate: Collate[BatchT] = stack,  # type: ignore[assignment]
        *,
        world: int | None = None,
        rank: int | None = None,
        start: int = 0,
        once: bool = False,
    ) -> None:
        super().__init__()
        if not callable(getattr(stream, "read_pass" if once else "batch", None)):
            raise fault("stream", "a stream of open_stream", stream)
        batch_size, start = integer("batch_size", batch_size), integer("start", start)
        world, rank = world_and_rank(world, rank)
        if batch_size < 1 or world < 1 or batch_size % world or not 0 <= rank < world:
            raise ValueError(f"a batch of {batch_size} cannot be shared by {world} processes (rank {rank})")
        self.stream = stream
        self.batch_size = batch_size
        self.collate = collate
        self.world = world
        self.rank = rank
        self.start = start
        self.once = once
        self._num_loaded = 0  # batches of this worker before a loaded state
        self._num_made = 0

    def __iter__(self) -> Iterator[BatchT]:
        """Batches from `start` on, or from a state that was just loaded."""
        worker, num_workers = _worker()
        self._num_made, self._num_loaded = self._num_loaded, 0
        start, share = self.start, self.batch_size // self.world
        read = self.stream.read_pass if self.once else self.stream.batch
        for number in count(self._num_made):  # a separate counter: two iterations may run at the same time
            first = start + (worker + number * num_workers) * self.batch_size
            if self.once and first >= self.stream.pass_size:
                return
            examples = read(first + self.rank * share, share)
            self._num_made = number + 1
            if examples:
                yield self.collate(examples)

    def state_dict(self) -> dict[str, Any]:
        """The state of this worker as plain JSON. Raises IbDataError for a pass with `once`, which has none."""
        self.require_endless()
        _, num_workers = _worker()
        position = self.start + self._num_made * num_workers * self.batch_size
        own = {"start": self.start, "num_made": self._num_made, "num_workers": num_workers}
        return {**own, "batch_size": self.batch_size, "stream": self.stream.state(position)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state. Raises IbDataError if it is from another stream, batch size or number of workers."""
        self.require_endless()
        _, num_workers = _worker()
        table = Table.of(state, "stream", "state of a worker")
        table.only(("start", "num_made", "num_workers", "batch_size", "stream"))
        self.stream.check_state(table.get("stream", dict))
        for name, now in (("batch_size", self.batch_size), ("num_workers", num_workers)):
            if (then := table.get(name, int)) != now:
                remedy = "use it again, or ib_data's StreamLoader, whose state fits any"
                raise IbDataError(f"this state was saved with {name} {then}, now it is {now}; {remedy}")
        start, num_made = table.get("start", int), table.get("num_made", int)
        if start < 0 or num_made < 0:
            raise table.error(f"expected numbers from 0, found start {start} and num_made {num_made}")
        self.start, self._num_loaded, self._num_made = start, num_made, num_made

    def require_endless(self) -> None:
        """Raise IbDataError for a dataset that makes one pass over everything: it has no state."""
        if self.once:
            raise IbDataError("a pass over everything (once=True) has no state: start it again")


class StreamLoader(Generic[BatchT]):
    """Batches of a stream, made by `workers` processes (0: in this process), with the position of the consumer.

    Endless, from `position` on, which is the first position not handed out yet. A state taken after a training step
    resumes with the next batch, for any `world`, `workers` and batch size. With `once` each iteration is one pass over
    everything, from the beginning. `meter` sums the work of all workers. Other options as in StreamDataset;
    `start_method` is multiprocessing's. Batches come through shared memory (see `handover`): keep them as long as you
    like; in a forked child, clone any batch you keep using, and exit with `os._exit`.
    """

    def __init__(
        self,
        stream: Stream,
        batch_size: int,
        collate: Collate[BatchT] = stack,  # type: ignore[assignment]
        *,
        world: int | None = None,
        rank: int | None = None,
        start: int = 0,
        workers: int = 0,
        once: bool = False,
        prefetch_factor: int = 2,
        start_method: str | None = None,
    ) -> None:
        if integer("workers", workers) < 0:
            raise ValueError(f"no number of loading workers: {workers}")
        self.dataset = StreamDataset(stream, batch_size, collate, world=world, rank=rank, start=start, once=once)
        self.workers = workers
        self.prefetch_factor = prefetch_factor
        self.start_method = start_method
        self.position = start
        self.meter = Meter()
        self._num_begun = 0

    def __repr__(self) -> str:
        of = self.dataset
        place = f"rank {of.rank} of {of.world}, {self.workers} workers, position {self.position:,}"
        return f"<StreamLoader of {of.stream!r}: batches of {of.batch_size:,}, {place}>"

    def __iter__(self) -> Iterator[BatchT]:
        """Yields batches. Raises IbDataError, in one line, for any fatal error in a worker, and for a stale iteration.

        An endless iteration is stale once another one was begun or a state was loaded.
        """
        self._num_begun += 1
        begun = self._num_begun
        if not self.dataset.once:
            self.dataset.start = self.position
        handover = Handover(self.workers, self.prefetch_factor + _HELD) if self.workers else None
        others = multiprocessing.active_children()
        with cpu_as_default():  # else torch draws a seed on the default device of the script
            made: Iterator[Any] = iter(
                DataLoader(
                    _Measured(self.dataset, handover),
                    batch_size=None,
                    num_workers=self.workers,
                    prefetch_factor=self.prefetch_factor if self.workers else None,
                    multiprocessing_context=self.start_method if self.workers else None,
                    generator=torch.Generator(),  # else torch draws a seed from the run's own random state
                )
            )
        workers = [process for process in multiprocessing.active_children() if process not in others]
        if handover:
            made = handover.receiver().opened(made)
        with self.translate_worker_errors():
            while (found := self._next(made, workers)) is not None:
                if begun != self._num_begun and not self.dataset.once:
                    raise IbDataError("this loader was started again since; make a StreamLoader for each loop")
                self.position += 0 if self.dataset.once else self.dataset.batch_size
                yield found.batch

    def state_dict(self) -> dict[str, Any]:
        """The state for resuming after the batches handed out so far, as plain JSON."""
        self.dataset.require_endless()
        return self.dataset.stream.state(self.position)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state at the next iteration. Raises IbDataError if it is from another stream."""
        self.dataset.require_endless()
        self.position = self.dataset.stream.check_state(state)
        self._num_begun += 1

    @contextmanager
    def translate_worker_errors(self) -> Iterator[None]:
        """Turns torch's worker-died and too-many-open-files errors into one-line IbDataErrors.

        Put it around a loop over this loader: torch raises from a signal handler, in the middle of whatever the main
        thread is doing, while the iterator itself can translate only what is raised as it waits for a batch.
        """
        try:
            yield
        except RuntimeError as error:
            if fault := fault_of(error, self.position):
                raise fault from error
            raise

    def _next(
        self, made: "Iterator[_Made[BatchT] | _Failure]", workers: Sequence[BaseProcess]
    ) -> "_Made[BatchT] | None":
        began = time.perf_counter()
        try:
            found = next(made, None)
        except CUT_OFF:
            raise_for_dead_worker(workers)
            raise
        self.meter.wait_s += time.perf_counter() - began
        if isinstance(found, _Failure):
            raise IbDataError(found.line)
        if found is not None:
            self.meter.add(found.meter)
        return found


@dataclass(frozen=True, slots=True)
class _Made(Generic[BatchT]):
    """A batch from a worker, with its costs."""

    batch: BatchT
    meter: Meter


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a worker can give no further batch, in one line."""

    line: str


class _Measured(IterableDataset[Any]):
    """The batches of a dataset with their costs, as _Made, or in a worker as messages that hold one.

    An error is passed as a _Failure, since torch would wrap it in a traceback.
    """

    def __init__(self, dataset: StreamDataset[Any], handover: Handover | None) -> None:
        super().__init__()
        self.dataset = dataset
        self.handover = handover

    def __iter__(self) -> Iterator[Any]:
        sender = self.handover.sender(_worker()[0]) if self.handover else None
        self.dataset.stream.meter.take()  # a worker must not report what its parent had read
        try:
            for batch in self.dataset:
                made = _Made(batch, self.dataset.stream.meter.take())
                yield sender.send(made) if sender else made
        except IbDataError as error:
            yield _Failure(str(error))
        except OSError as error:
            yield _Failure(os_error_line(error))


def _worker() -> tuple[int, int]:
    """The number of this worker and the number of workers; (0, 1) outside a loader's workers."""
    info = get_worker_info()
    return (info.id, info.num_workers) if info else (0, 1)
