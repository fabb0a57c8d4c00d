"""The values of the same examples in two reports: counts, a paired test, an interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ib_data.evaluation.metrics.scores import Floats, mean_scores
from ib_data.evaluation.report.statistics import Images, interval, mcnemar_test, permutation_test

MCNEMAR = "McNemar's test, exact"
PERMUTATION = "permutation test over images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """How the values of B differ from those of A.

    `p_over_images` is the p-value of the permutation test where `test` is McNemar's and examples share images, which
    McNemar's takes to be independent; otherwise None. `interval` is that of the mean difference.
    """

    test: str
    p_value: float
    p_over_images: float | None
    interval: tuple[float, float] | None
    num_better: int
    num_worse: int
    num_equal: int


def paired(a: Floats, b: Floats, names: Sequence[str], *, is_loss: bool = False) -> Paired:
    """The comparison of aligned values (n,), all numbers; `names` (n,) identify the image of each example.

    Higher values are better, unless `is_loss`.
    Values that are all 0 or 1 are compared by McNemar's test, others by flipping the signs of the images' differences.
    """
    images = Images.of(names)
    differences = b - a
    higher, lower = int((differences > 0).sum()), int((differences < 0).sum())
    better, worse = (lower, higher) if is_loss else (higher, lower)
    over_images = permutation_test(images.sums(differences))
    is_binary = bool(np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all())
    are_shared = len(images.sizes) < len(a)
    return Paired(
        test=MCNEMAR if is_binary else PERMUTATION,
        p_value=mcnemar_test(better, worse) if is_binary else over_images,
        p_over_images=over_images if is_binary and are_shared else None,
        interval=interval(mean_scores(differences), images),
        num_better=better,
        num_worse=worse,
        num_equal=len(a) - better - worse,
    )
