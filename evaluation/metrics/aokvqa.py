"""Direct answers of A-OKVQA."""

from collections.abc import Sequence

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.aligned import require_aligned
from ib_data.evaluation.metrics.scores import Scores, mean_scores


def direct_answer(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> Scores:
    """The mean of min(1, equal answers / 3): texts as they are, and nobody left out, so one of ten gives 1/3.

    Questions with `difficult_direct_answer` are not part of this task: leave them out. An empty prediction is wrong.
    Raises IbDataError for a question without answers, ValueError if lengths differ.
    """
    require_aligned(predictions=predictions, answers=answers)
    for index, given in enumerate(answers):
        if not given:
            raise IbDataError(f"question {index} has no answers: leave it out, or score a split with public answers")
    forms = [(prediction, tuple(given)) for prediction, given in zip(predictions, answers, strict=True)]
    values = [min(1.0, given.count(prediction) / 3) if prediction else 0.0 for prediction, given in forms]
    return mean_scores(values, forms=forms)
