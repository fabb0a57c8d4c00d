"""Measures how fast a stream gives examples, and where its time goes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ib_data.console import count_text
from ib_data.errors import IbDataError, MissingExtraError
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.stream import Stream
from ib_data.stored.meter import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """A measurement: `first_s` until the first batch was ready, then `num_examples` in `elapsed_s`.

    `meter` holds the totals of all batches and workers; see Meter. `is_cut`: it was interrupted, and these are the
    figures so far.
    """

    first_s: float
    elapsed_s: float
    num_examples: int
    workers: int
    decodes: bool
    meter: Meter
    is_cut: bool = False

    def values(self) -> dict[str, Any]:
        """Plain values for JSON."""
        head = {"first_s": self.first_s, "elapsed_s": self.elapsed_s, "samples": self.num_examples}
        rate = self.num_examples / self.elapsed_s if self.num_examples else None
        own = {"samples_per_s": rate, "workers": self.workers, "is_cut": self.is_cut}
        return {**head, **own, **self.meter.values()}

    def lines(self) -> list[str]:
        """The figures as lines of text."""
        meter = self.meter
        if self.is_cut and not self.first_s:
            return ["no batch was read"]
        where = count_text(self.workers, "worker") if self.workers else "this process"
        speed = "all in one batch: ask for more positions to see a speed"
        if self.num_examples:
            rate = self.num_examples / self.elapsed_s
            samples = count_text(self.num_examples, "sample")
            speed = f"then {samples} in {self.elapsed_s:.3f} s: {rate:,.0f} samples/s by {where}"
        shards = f"{meter.num_opened:,} opened, {meter.num_cache_hits:,} of them from the cache"
        lines = [
            f"first batch after {self.first_s:.3f} s",
            speed,
            self._costs(),
            f"shards: {shards}, {meter.num_fetched:,} fetched",
        ]
        if meter.num_bad:
            lines.append(f"{count_text(meter.num_bad, 'sample')} could not be used: see the quarantine in the catalog")
        return lines

    def _costs(self) -> str:
        meter = self.meter
        decoded = f"{meter.decode_s:.3f} s decoding" if self.decodes else "nothing decoded"
        seconds = f"{meter.read_s:.3f} s reading, {decoded}, {meter.render_s:.3f} s rendering"
        media = f"{meter.media_bytes / 1e6:,.1f} MB of media"
        return f"over all batches: {seconds}; {meter.wait_s:.3f} s waited for; {media}"


def measured(
    stream: Stream,
    count: int,
    batch_size: int,
    *,
    start: int = 0,
    world: int = 1,
    rank: int = 0,
    workers: int = 0,
    once: bool = False,
) -> Throughput:
    """The throughput over the first `count` positions of this process from `start` on.

    `batch_size` counts positions over all processes. After KeyboardInterrupt, returns the figures so far. Raises
    MissingExtraError for workers without torch.
    """
    began = time.perf_counter()
    meter = Meter()
    share = batch_size // world
    first_s, num_examples = 0.0, 0
    place = (stream, batch_size, start, world, rank, once, meter)
    batches = _by_workers(workers, *place) if workers else _here(*place)
    taken = began
    is_cut, ended = False, began
    try:
        for number, examples in enumerate(batches):
            ended = time.perf_counter()
            if number == 0:
                first_s, taken = ended - began, ended
            else:
                num_examples += examples
            if (number + 1) * share >= count:
                break
        else:
            if not meter.num_positions:
                raise IbDataError(f"mixture {stream.mixture.name}: nothing to read for rank {rank} of {world}")
    except KeyboardInterrupt:
        is_cut = True
    return Throughput(
        first_s=first_s,
        elapsed_s=ended - taken,
        num_examples=num_examples,
        workers=workers,
        decodes=stream.options.images is not None,
        meter=meter,
        is_cut=is_cut,
    )


def _here(
    stream: Stream, batch_size: int, start: int, world: int, rank: int, once: bool, meter: Meter
) -> Iterator[int]:
    share = batch_size // world
    position = start + rank * share
    while not once or position < stream.pass_size:
        began = time.perf_counter()
        num_examples = len((stream.read_pass if once else stream.batch)(position, share))
        meter.wait_s += time.perf_counter() - began
        meter.add(stream.meter.take())
        yield num_examples
        position += batch_size


def _by_workers(
    workers: int, stream: Stream, batch_size: int, start: int, world: int, rank: int, once: bool, meter: Meter
) -> Iterator[int]:
    try:
        from ib_data.mixtures.loader.loader import StreamLoader
    except ImportError as error:
        remedy = "pip install 'ib-data[train]', or leave out --workers"
        raise MissingExtraError(f"loading processes need torch; {remedy}") from error
    made = StreamLoader(
        stream, batch_size, _handed_over, world=world, rank=rank, start=start, workers=workers, once=once
    )
    with made.translate_worker_errors():
        for num_examples, _pictures in made:
            meter.add(made.meter.take())
            yield num_examples


def _handed_over(examples: list[Example]) -> tuple[int, list[Any]]:
    """The number of examples, and their images as one tensor per size: a mixture may hold images and clips."""
    import torch

    by_size: dict[tuple[int, ...], list[Any]] = {}
    for pixels in {id(example.pixels): example.pixels for example in examples}.values():
        if pixels is not None:
            by_size.setdefault(pixels.shape, []).append(torch.from_numpy(pixels))
    return len(examples), [torch.stack(pictures) for pictures in by_size.values()]
