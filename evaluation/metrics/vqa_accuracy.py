"""VQA accuracy: how many of the other annotators gave the predicted answer, three being enough."""

from collections.abc import Sequence

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.aligned import require_aligned
from ib_data.evaluation.metrics.scores import Scores, mean_scores
from ib_data.evaluation.metrics.vqa_text import PROFILES, normalised, trimmed, without_punctuation

__all__ = ["PROFILES", "vqa_accuracy"]


def vqa_accuracy(
    predictions: Sequence[str], answers: Sequence[Sequence[str]], profile: str = "vqa-official-2021"
) -> Scores:
    """The mean VQA accuracy; `answers` are those of each annotator, with repetition, "" if one gave none.

    A question's value is the mean over annotators of min(1, matches among the others / 3). With ten annotators it is
    0, 0.3, 0.6, 0.9 or 1. The official code rounds the values it prints to 1e-4; here nothing is rounded. An empty
    prediction counts as wrong. Raises IbDataError for a question without answers, ValueError if lengths differ.
    """
    require_aligned(predictions=predictions, answers=answers)
    forms = []
    values = []
    for index, (prediction, given) in enumerate(zip(predictions, answers, strict=True)):
        if not given:
            raise IbDataError(f"question {index} has no answers: leave it out, or score a split with public answers")
        form, references = _compared(prediction, given, profile)
        matches = references.count(form) if prediction else 0
        values.append(_leave_one_out(matches, len(references)))
        forms.append((form, references))
    return mean_scores(values, forms=forms)


def _compared(prediction: str, answers: Sequence[str], profile: str) -> tuple[str, tuple[str, ...]]:
    """Prediction and answers as `profile` compares them; where all answers are the same, official code keeps them."""
    if profile == "vqa-official-2021":
        prediction, answers = trimmed(prediction), tuple(map(trimmed, answers))
        if len(set(answers)) == 1:
            return prediction, answers
    form = normalised(prediction, profile)
    if profile == "vizwiz" or (profile == "vqa-lavis" and len(set(answers)) == 1):
        return form, tuple(answers)
    if profile == "vqa-lavis":
        return form, tuple(map(without_punctuation, answers))
    return form, tuple(normalised(answer, profile) for answer in answers)


def _leave_one_out(matches: int, annotators: int) -> float:
    """The mean over annotators; each is left out by index: by equality, ten equal answers would leave nobody."""
    thirds = matches * min(3, matches - 1) + (annotators - matches) * min(3, matches)
    return thirds / (3 * annotators)
