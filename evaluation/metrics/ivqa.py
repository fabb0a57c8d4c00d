"""iVQA: five annotators, of whom two must agree with the prediction."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.accuracy import form
from ib_data.evaluation.metrics.aligned import require_aligned
from ib_data.evaluation.metrics.scores import Scores, mean_scores


def ivqa_accuracy(
    predictions: Sequence[str],
    answers: Sequence[Mapping[str, int] | Sequence[str]],
    vocabulary: Collection[str] | None = None,
    profile: str = "exact",
) -> Scores:
    """The mean of min(1, annotators with the predicted answer / 2): 0, 0.5 or 1. All answers count ("open").

    `answers` are counts by text, or texts with repetition. With a `vocabulary`, `also` has "closed", where answers
    outside of it do not count (just-ask: those seen at least twice in training), and "closed maximum", the most that
    the vocabulary allows. `profile` is one of `accuracy`. An empty prediction is wrong. Raises IbDataError for a
    question without answers, ValueError if lengths differ.
    """
    require_aligned(predictions=predictions, answers=answers)
    counts = [_counted(index, given, profile) for index, given in enumerate(answers)]
    found = [form(prediction, profile) if prediction else None for prediction in predictions]
    values = [_value(count, answer) for count, answer in zip(counts, found, strict=True)]
    also = {}
    if vocabulary is not None:
        known = {form(word, profile) for word in vocabulary}
        closed = [{text: count for text, count in given.items() if text in known} for given in counts]
        pairs = zip(closed, found, strict=True)
        also["closed"] = mean_scores([_value(count, answer) for count, answer in pairs]).score
        also["closed maximum"] = mean_scores([min(1, max(given.values(), default=0) / 2) for given in closed]).score
    forms = [(answer or "", tuple(count)) for answer, count in zip(found, counts, strict=True)]
    return mean_scores(values, also=also, forms=forms)


def _counted(index: int, given: Mapping[str, int] | Sequence[str], profile: str) -> Mapping[str, int]:
    """How many annotators gave each answer, as `profile` compares it."""
    counts: Counter[str] = Counter()
    for text, count in Counter(given).items():
        counts[form(text, profile)] += count
    if not counts:
        raise IbDataError(f"question {index} has no answers: leave it out, or score a split with public answers")
    return counts


def _value(counts: Mapping[str, int], answer: str | None) -> float:
    return min(1.0, counts.get(answer, 0) / 2) if answer is not None else 0.0
