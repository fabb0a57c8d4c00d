"""n-grams of many captions as arrays of integers: each distinct n-gram has one id, counted by sorting."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ib_data.evaluation.metrics.scores import Indices

Number = TypeVar("Number", np.float64, np.int64)


@dataclass(frozen=True, slots=True)
class Grams:
    """How often each caption has each n-gram of one length: three aligned arrays, sorted by caption, then gram.

    `num_grams`: ids of n-grams are below it.
    """

    caption: Indices
    gram: Indices
    count: Indices
    num_grams: int

    def part(self, low: int, high: int) -> "Grams":
        """Those of captions low..high-1."""
        rows = slice(*np.searchsorted(self.caption, (low, high)))
        return Grams(self.caption[rows], self.gram[rows], self.count[rows], self.num_grams)


def grams(texts: Iterable[str], longest: int = 4) -> Iterator[Grams]:
    """The counts of 1-grams, 2-grams, ... up to `longest` of tokenised texts."""
    ids: defaultdict[str, int] = defaultdict(count().__next__)
    numbers, sizes = array("q"), array("q")
    for text in texts:
        tokens = text.split()
        numbers.extend(map(ids.__getitem__, tokens))
        sizes.append(len(tokens))
    words, lengths = np.array(numbers, np.int64), np.array(sizes, np.int64)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    start = np.arange(len(words))
    left = np.repeat(np.cumsum(lengths), lengths) - start  # tokens from here to the end of the caption
    gram, num_grams = words, len(ids)
    for n in range(1, longest + 1):
        if n > 1:  # a longer gram is the gram one shorter at its start, and one more word
            kept = left[start] >= n
            start = start[kept]
            found, gram = np.unique(gram[kept] * len(ids) + words[start + n - 1], return_inverse=True)
            num_grams = len(found)
        size = max(num_grams, 1)
        keys, counts = np.unique(owner[start] * size + gram, return_counts=True)
        yield Grams(keys // size, keys % size, counts, size)


def distinct(keys: Indices) -> Indices:
    """The distinct keys, sorted. `np.unique` hashes them, which takes ten times as long for millions."""
    keys = np.sort(keys)
    return np.asarray(keys[np.diff(keys, prepend=-1) != 0], dtype=np.int64)


def found_in(keys: Indices, sorted_keys: Indices, values: NDArray[Number]) -> NDArray[Number]:
    """Of each key its value among `sorted_keys`, 0 if it is not there."""
    if not len(sorted_keys):
        return np.zeros(len(keys), values.dtype)
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found = values[at]
    found[sorted_keys[at] != keys] = 0
    return found
