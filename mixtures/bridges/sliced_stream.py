"""A stream as `datasets` iterates it: many slices of its positions, divided among workers and ranks."""

from collections.abc import Callable, Iterator
from itertools import count as count_from
from itertools import islice
from typing import Any

import numpy as np
from datasets.iterable_dataset import ExamplesIterable

from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.stream import Stream

# Slice s holds the positions s, s + NUM_SLICES, ... Most numbers of workers and ranks divide NUM_SLICES: then the
# positions of each are evenly spaced, and 64 of them are read at once.
NUM_SLICES = 1680


class SlicedStream(ExamplesIterable):  # type: ignore[misc]
    """The examples of some slices of a stream, in order of position, as rows made by `row`.

    `datasets` would read one slice after the other, and the first would never end; so this reads all its slices
    together. A state counts examples, and resuming is a seek. The order ends at `count`; None means endless.
    """

    def __init__(
        self, stream: Stream, row: Callable[[Example], dict[str, Any]], count: int | None, slices: list[int]
    ) -> None:
        super().__init__(_no_examples, {"slices": slices})
        self.stream = stream
        self.row = row
        self.count = count

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        start = self._state_dict["shard_example_idx"] if self._state_dict else 0
        for example in examples_of(self.stream, sorted(self.kwargs["slices"]), self.count, start):
            if self._state_dict:
                self._state_dict["shard_example_idx"] += 1
            yield example.position, self.row(example)

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> "SlicedStream":
        """Part `index` of `num_shards`."""
        slices = self.kwargs["slices"]
        kept = [slices[i] for i in self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous)]
        return SlicedStream(self.stream, self.row, self.count, kept)

    def shuffle_data_sources(self, generator: np.random.Generator) -> "SlicedStream":
        """Returns self: the order is already shuffled."""
        return self

    def reshard_data_sources(self) -> "SlicedStream":
        """Returns self: there are enough slices."""
        return self


def examples_of(stream: Stream, slices: list[int], count: int | None, start: int = 0) -> Iterator[Example]:
    """The examples of ascending slices from the `start`-th on."""
    step = NUM_SLICES // len(slices)
    if slices == list(range(slices[0], NUM_SLICES, step)) and NUM_SLICES % len(slices) == 0:
        left = None if count is None else max(-(-(count - slices[0]) // step) - start, 0)
        yield from stream.examples(start * step, left, world=step, rank=slices[0])
        return
    positions = (base + number for base in count_from(0, NUM_SLICES) for number in slices)
    for position in islice(positions, start, None):
        if count is not None and position >= count:
            return
        yield stream.at(position)


def _no_examples(slices: list[int]) -> Iterator[Any]:
    raise AssertionError(f"slices {slices} are read all at once")
