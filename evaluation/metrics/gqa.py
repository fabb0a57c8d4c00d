"""GQA: accuracy with what the official evaluator says about kinds of questions, consistency and distribution."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ib_data.evaluation.metrics.accuracy import accuracy
from ib_data.evaluation.metrics.aligned import require_aligned
from ib_data.evaluation.metrics.gqa_distribution import distribution
from ib_data.evaluation.metrics.scores import Scores, mean_scores


def gqa_breakdown(
    predictions: Sequence[str],
    answers: Sequence[str],
    *,
    ids: Sequence[str],
    structural: Sequence[str],
    entailed: Sequence[Sequence[str]],
    groups: Sequence[str | None],
    profile: str = "exact",
) -> Scores:
    """`accuracy`; `also` "binary", "open", "consistency" with "consistency questions", and "distribution".

    `structural` is `types.structural` of each question, `entailed` the ids it entails, `groups` is `groups.global`.
    Not here: accuracy by structural and semantic type is `accuracy` on subsets; validity, plausibility and grounding
    need files that were never published for version 1.2. Raises ValueError if lengths differ or an id comes twice.
    """
    require_aligned(predictions=predictions, ids=ids, structural=structural, entailed=entailed, groups=groups)
    if doubled := [name for name, count in Counter(ids).items() if count > 1]:
        raise ValueError(f"question {doubled[0]!r} comes twice")
    scores = accuracy(predictions, answers, profile)
    is_open = np.array([kind == "query" for kind in structural], dtype=np.bool_)
    consistent = consistency(dict(zip(ids, scores.values.tolist(), strict=True)), zip(ids, entailed, strict=True))
    also = {
        "binary": mean_scores(scores.values[~is_open]).score,
        "open": mean_scores(scores.values[is_open]).score,
        "consistency": mean_scores(consistent).score,
        "consistency questions": float(len(consistent)),
        "distribution": distribution([(found, golds[0]) for found, golds in scores.forms], groups),
    }
    return Scores(score=scores.score, values=scores.values, forms=scores.forms, also=also)


def consistency(right: Mapping[str, float], entailed: Iterable[tuple[str, Sequence[str]]]) -> list[float]:
    """For each question answered rightly, the accuracy on the questions it entails, itself left out.

    The official evaluator asks every question of the unbalanced file too. Here those entailed questions count that
    were asked, and questions with none are left out: the balanced split has few, so published values do not compare.
    """
    values = []
    for name, others in entailed:
        found = [right[other] for other in others if other != name and other in right]
        if right[name] and found:
            values.append(sum(found) / len(found))
    return values
