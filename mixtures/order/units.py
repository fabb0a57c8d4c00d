"""Sampling units: one draw is an annotation, a whole conversation, or an image with several of its annotations."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ib_data.mixtures.order.permutation import Int64s, permute, subkey
from ib_data.stored.rows import Rows


@dataclass(frozen=True)
class Units:
    """The sampling units of a member, numbered from 0, as rows of its index.

    With `annotations_per_image` above 1 a unit is an image. `is_chat` keeps only the last turn of each conversation,
    which includes the earlier ones. `key` (64 bits) decides the order in which an image's annotations are used.
    """

    rows: Rows
    annotations_per_image: int
    is_chat: bool
    key: int

    @property
    def count(self) -> int:
        """The number of units in an epoch."""
        if self.annotations_per_image > 1:
            return self.rows.num_samples
        return len(self.rows.last_turns) if self.is_chat else self.rows.count

    def rows_of(self, unit: int, epoch: int) -> tuple[int, ...]:
        """The rows of `unit` in an epoch; an image with more annotations than the limit gives the next ones in turn.

        All annotations of an image come before any repeats, and none comes twice within an epoch.
        """
        if self.annotations_per_image == 1:
            return (int(self.rows.last_turns[unit]) if self.is_chat else unit,)
        first, end = int(self._firsts[unit]), int(self._firsts[unit + 1])
        num_rows = end - first
        if num_rows <= self.annotations_per_image:
            return tuple(map(self._row, range(first, end)))
        own_key = subkey(self.key, unit)
        turns = (epoch * self.annotations_per_image + i for i in range(self.annotations_per_image))
        return tuple(self._row(first + permute(turn % num_rows, num_rows, own_key)) for turn in turns)

    def _row(self, number: int) -> int:
        return int(self.rows.last_turns[number]) if self.is_chat else number

    @cached_property
    def _firsts(self) -> Int64s:
        """The first row of each sample among the rows that count; shape (samples + 1,)."""
        samples = self.rows.samples
        return np.searchsorted(self.rows.last_turns, samples).astype(np.int64) if self.is_chat else samples
