"""Area under the ROC curve (HatefulMemes)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.aligned import require_aligned
from ib_data.evaluation.metrics.scores import Floats, Indices, Scores


def roc_auc(scores: Sequence[float], positive: Sequence[bool]) -> Scores:
    """The chance that a positive example scores higher than a negative one; ties count half.

    `scores` are higher for positive: log P(yes) - log P(no), since log P(yes) alone does not rank examples. A result
    far below 0.5 is a wrong sign. `values` are 1 where the threshold 0 decides rightly, 0 elsewhere; `also` has their
    mean as "accuracy". nan if one class is missing. Raises IbDataError for a score that is nan, ValueError if lengths
    differ.
    """
    require_aligned(scores=scores, positive=positive)
    found, labels = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=np.bool_)
    missing = np.flatnonzero(np.isnan(found))
    if len(missing):
        raise IbDataError(f"the score of example {missing[0]} is nan (of {len(missing)} in all): give each a number")
    right = ((found > 0) == labels).astype(np.float64)

    def resampled(indices: Indices) -> float:
        return _area(found[indices], labels[indices])

    also = {"accuracy": float(right.mean()) if len(right) else float("nan")}
    return Scores(score=_area(found, labels), values=right, also=also, resampled=resampled)


def _area(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """From the sum of the ranks of positive examples (Mann and Whitney); equal scores share their mean rank."""
    num_positive = int(positive.sum())
    pairs = num_positive * (len(positive) - num_positive)
    if pairs == 0:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_ranks[place][positive].sum())
    return (rank_sum - num_positive * (num_positive + 1) / 2) / pairs
