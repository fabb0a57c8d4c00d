"""Intervals of scores and paired tests. Cases about one image are not independent, so images are drawn, not cases."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ib_data.evaluation.metrics.scores import Floats, Indices, Scores

DRAWS = 1_000
PERMUTATIONS = 10_000
# Up to so many images with a difference, all sign flips are tried: 65,536.
_MOST_EXACT = 16
# So many random numbers are held at a time: all draws of MSRVTT-QA would be 73 million.
_MOST_DRAWN = 2**18


@dataclass(frozen=True, slots=True)
class Images:
    """The cases (n,) of each image: `order` lists them image by image, `starts` (m,) and `sizes` (m,) cut it."""

    order: Indices
    starts: Indices
    sizes: Indices

    @classmethod
    def of(cls, names: Sequence[Hashable]) -> "Images":
        """The images of cases, numbered as they first occur; `names` (n,) identify the image of each case."""
        numbers: dict[Hashable, int] = {}
        of_case = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
        sizes = np.bincount(of_case, minlength=len(numbers))
        return cls(np.argsort(of_case, kind="stable"), np.cumsum(sizes) - sizes, sizes)

    def sums(self, values: Floats) -> Floats:
        """The sum (m,) of the values (n,) of each image."""
        return np.add.reduceat(values[self.order], self.starts) if len(self.starts) else np.zeros(0)

    def cases(self, drawn: Indices) -> Indices:
        """The indices of the cases of the drawn images, with repetition."""
        sizes = self.sizes[drawn]
        ends = np.cumsum(sizes)
        within = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
        found: Indices = self.order[np.repeat(self.starts[drawn], sizes) + within]
        return found


def interval(
    scores: Scores, images: Images, *, draws: int = DRAWS, seed: int = 0, level: float = 0.95
) -> tuple[float, float] | None:
    """The percentile bootstrap interval of a score: images are drawn with repetition, `draws` times.

    None if there are fewer than two images, or a value of a mean is not a number. Draws without a score, such as a
    ROC-AUC of one class, are left out.
    """
    is_known = scores.resampled is not None or np.isfinite(scores.values).all()
    if len(images.sizes) < 2 or not is_known:
        return None
    found = _redrawn(scores, images, draws, np.random.default_rng(seed))
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _redrawn(scores: Scores, images: Images, draws: int, rng: np.random.Generator) -> Floats:
    """The score (draws,) of each draw of as many images as there are."""
    num = len(images.sizes)
    found = np.empty(draws)
    if scores.resampled is not None:
        for i in range(draws):
            found[i] = scores.resampled(images.cases(rng.integers(0, num, num)))
        return found
    sums, is_even = images.sums(scores.values), bool((images.sizes == images.sizes[0]).all())
    step = max(1, _MOST_DRAWN // num)
    for first in range(0, draws, step):
        drawn = rng.integers(0, num, (len(found[first : first + step]), num))
        counts = num * images.sizes[0] if is_even else images.sizes[drawn].sum(axis=1)
        found[first : first + step] = sums[drawn].sum(axis=1) / counts
    return found


def permutation_test(differences: NDArray[np.float64], *, draws: int = PERMUTATIONS, seed: int = 0) -> float:
    """The two-sided p-value of a paired test that the `differences` (m,), one an image, have the mean 0.

    Their signs are flipped: in every way if at most 16 differ from 0, else `draws` times at random.
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    # Sums of equal sizes may differ in their last bits by the order of adding.
    seen = abs(moved.sum()) - 1e-9 * np.abs(moved).sum()
    if len(moved) <= _MOST_EXACT:
        sums = np.zeros(1)
        for difference in moved:
            sums = np.concatenate([sums + difference, sums - difference])
        return float((np.abs(sums) >= seen).mean())
    sizes, counts = np.unique(np.abs(moved), return_counts=True)
    sums = _flipped(sizes, counts, draws, np.random.default_rng(seed))
    return float((1 + (np.abs(sums) >= seen).sum()) / (1 + draws))


def _flipped(sizes: Floats, counts: Indices, draws: int, rng: np.random.Generator) -> Floats:
    """Sums (draws,) of `counts` numbers of each of the `sizes`, with random signs.

    How many of equal numbers keep their sign is binomial, so that accuracies of any length need few random numbers.
    Numbers that occur once take a bit each: binomial ones are ten times slower.
    """
    is_single = counts == 1
    single, many, times = sizes[is_single], sizes[~is_single], counts[~is_single]
    sums = np.empty(draws)
    step = max(1, 2**22 // len(sizes))
    for first in range(0, draws, step):
        num = len(sums[first : first + step])
        bits = np.unpackbits(rng.integers(0, 256, (num, -(-len(single) // 8)), dtype=np.uint8), axis=1)
        kept = rng.binomial(times, 0.5, size=(num, len(many)))
        of_single = 2 * (bits[:, : len(single)].astype(np.float64) @ single) - single.sum()
        sums[first : first + step] = of_single + (2 * kept - times) @ many
    return sums


def mcnemar_test(num_better: int, num_worse: int) -> float:
    """The exact two-sided p-value of McNemar's test: right only in B `num_better` times, only in A `num_worse` times.

    Twice the smaller tail of a binomial distribution with probability 1/2, at most 1.
    """
    num, fewer = num_better + num_worse, min(num_better, num_worse)
    ways = np.arange(fewer)
    # The logarithms of the binomial coefficients 0..fewer: the coefficients themselves leave the range of floats.
    logs = np.concatenate([[0.0], np.cumsum(np.log(num - ways) - np.log(ways + 1))])
    return float(min(1.0, 2 * np.exp(logs - num * np.log(2)).sum()))
