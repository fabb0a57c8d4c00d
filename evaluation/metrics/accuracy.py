"""Accuracy: the share of predictions that equal the only answer."""

from collections.abc import Collection, Sequence

from ib_data.errors import UnknownNameError, did_you_mean
from ib_data.evaluation.metrics.aligned import require_aligned
from ib_data.evaluation.metrics.scores import Scores, mean_scores
from ib_data.evaluation.metrics.vqa_text import normalised

PROFILES = ("exact", "case-insensitive", "vqa")


def accuracy(predictions: Sequence[str], answers: Sequence[str], profile: str = "exact") -> Scores:
    """The share of predictions that equal their answer after `form`. An empty prediction is wrong.

    Raises ValueError if lengths differ, UnknownNameError for another profile.
    """
    require_aligned(predictions=predictions, answers=answers)
    forms = [
        (form(prediction, profile), (form(answer, profile),))
        for prediction, answer in zip(predictions, answers, strict=True)
    ]
    pairs = zip(predictions, forms, strict=True)
    return mean_scores([bool(given) and found == gold for given, (found, (gold,)) in pairs], forms=forms)


def vocabulary_accuracy(
    predictions: Sequence[str], answers: Sequence[str], vocabulary: Collection[str], profile: str = "exact"
) -> Scores:
    """`accuracy`; `also` the share of answers that are in the vocabulary, and the accuracy on those (nan if none is).

    An answer outside the vocabulary stays in the score: who ranks the vocabulary gets it wrong, as in just-ask.
    """
    scores = accuracy(predictions, answers, profile)
    known = {form(word, profile) for word in vocabulary}
    inside = [references[0] in known for _, references in scores.forms]
    also = {
        "answers in vocabulary": mean_scores(inside).score,
        "accuracy in vocabulary": mean_scores(scores.values[inside]).score,
    }
    return Scores(score=scores.score, values=scores.values, forms=scores.forms, also=also)


def form(text: str, profile: str) -> str:
    """`text` as `profile` compares it.

    `exact`: as it is (GQA's own). `case-insensitive`: trimmed, without case (OCR-VQA). `vqa`: the punctuation step and
    the digit and article step of VQA (LAVIS for GQA and video questions).
    """
    if profile == "exact":
        return text
    if profile == "case-insensitive":
        return text.strip().lower()
    if profile == "vqa":
        return normalised(text)
    raise UnknownNameError(f"unknown profile {profile!r}; {did_you_mean(profile, PROFILES)}")
