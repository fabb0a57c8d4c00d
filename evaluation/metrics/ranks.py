"""Ranks of the right option among candidates (VisDial): reciprocal rank, recall, mean rank, NDCG."""

from collections.abc import Sequence

import numpy as np

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.aligned import require_aligned
from ib_data.evaluation.metrics.scores import Floats, Scores, mean_scores


def ranks_of(scores: Sequence[float] | Floats, index: int) -> int:
    """The rank of candidate `index`, from 1 (the highest score). `scores` has shape (C,).

    Of equal scores the lower index ranks higher; the official code leaves this to an unstable sort. With right options
    at random places the mean rank of constant scores is so that of chance. Raises IbDataError for a nan.
    """
    found = np.asarray(scores, dtype=np.float64)
    if np.isnan(found).any():
        raise IbDataError(f"the score of candidate {int(np.isnan(found).argmax())} is nan: give each a number")
    own = found[index]
    before = found[: range(len(found))[index]]
    return 1 + int((found > own).sum()) + int((before == own).sum())


def rank_metrics(ranks: Sequence[float]) -> Scores:
    """The mean reciprocal rank; `also` "r@1", "r@5", "r@10" (shares of ranks up to there) and "mean rank".

    Ranks count from 1: ValueError for a lower one. An infinite one is that of a failure: its reciprocal is 0, and the
    mean rank leaves it out. All are nan without ranks. Chance among 100 options is 0.0518738.
    """
    found = np.asarray(ranks, dtype=np.float64)
    if (found < 1).any():
        raise ValueError(f"a rank counts from 1; found {found.min():g}")
    also = {f"r@{top}": mean_scores((found <= top).astype(np.float64)).score for top in (1, 5, 10)}
    return mean_scores(1 / found, also=also | {"mean rank": mean_scores(found[np.isfinite(found)]).score})


def ndcg(ranks: Sequence[Sequence[int]], relevance: Sequence[Sequence[float]]) -> Scores:
    """The mean over examples of the discounted relevance of the first k options, over the best that is possible.

    `ranks` and `relevance` of an example have one entry per option; k is the number of options of non-zero relevance,
    the discount of rank r is log2(1 + r). Raises ValueError if lengths differ or ranks are not 1 to C each once, and
    IbDataError if no option of an example is relevant.
    """
    require_aligned(ranks=ranks, relevance=relevance)
    values = []
    for index, (places, gains) in enumerate(zip(ranks, relevance, strict=True)):
        require_aligned(ranks=places, relevance=gains)
        if sorted(places) != list(range(1, len(places) + 1)):
            raise ValueError(f"example {index}: expected each rank from 1 to {len(places)} once")
        if not (k := np.count_nonzero(gains)):
            raise IbDataError(f"example {index} has no relevant option: leave it out of NDCG")
        by_rank = np.asarray(gains, dtype=np.float64)[np.argsort(places)]
        discounts = np.log2(np.arange(2, k + 2))
        best = np.sort(by_rank)[::-1]
        values.append(float((by_rank[:k] / discounts).sum() / (best[:k] / discounts).sum()))
    return mean_scores(values)
