"""Generated questions that equal a question of the dataset."""

import string
from collections.abc import Sequence

from ib_data.evaluation.metrics.aligned import require_aligned
from ib_data.evaluation.metrics.scores import Scores, mean_scores

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Scores:
    """The share of predictions that equal a reference, without case, ASCII punctuation and runs of blanks.

    A prediction of which nothing is left is wrong, as is one without references. Raises ValueError if lengths differ.
    """
    require_aligned(predictions=predictions, references=references)
    forms = [
        (_plain(prediction), tuple(map(_plain, given)))
        for prediction, given in zip(predictions, references, strict=True)
    ]
    return mean_scores([bool(found) and found in golds for found, golds in forms], forms=forms)


def _plain(text: str) -> str:
    return " ".join(text.lower().translate(_NO_PUNCTUATION).split())
