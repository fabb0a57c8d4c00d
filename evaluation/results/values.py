"""The value of a row as a prediction: a text, an option, the ranks of the options, a score or a label."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ib_data.errors import quoted
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.results.form import ResultsForm

_OWN = ("answer", "choice", "scores", "num_tokens", "is_truncated", "error")  # fields of `Prediction`


class ValueFaultError(Exception):
    """A value that cannot be a prediction: what was expected, and what was found."""

    def __init__(self, expected: str, found: object) -> None:
        super().__init__(f"expected {expected}, found {quoted(found)}")


def options_of(case: Case, form: ResultsForm) -> tuple[str, ...]:
    """The texts that an index in a results file means."""
    return form.labels or case.annotations[0].options


def prediction_of(
    case: Case, value: Any, form: ResultsForm, beside: Mapping[str, Any], labels: Sequence[str] = ()
) -> Prediction:
    """The prediction that the `value` of a row means; `beside` are the other keys of the row, by name.

    Indices of labels are those of `labels`, the order of the protocol, by default that of the file. Raises
    ValueFaultError for a value of another kind, or out of its range.
    """
    found = _prediction(case, value, form, beside)
    if not form.labels or not labels:
        return found
    choice = None if found.choice is None else labels.index(form.labels[found.choice])
    scores = {labels.index(form.labels[index]): score for index, score in sorted(found.scores.items())}
    return replace(found, choice=choice, scores=scores)


def _prediction(case: Case, value: Any, form: ResultsForm, beside: Mapping[str, Any]) -> Prediction:
    options = options_of(case, form)
    if form.kind == "ranks" and isinstance(value, list):
        return _ranked(case.id, value, options)
    if form.kind == "score" and not _is_word(value, options):
        return _scored(case.id, value, options)
    if form.kind in ("choice", "label") and (isinstance(value, int) or _is_digits(value, options)):
        return _chosen(case.id, value, options)
    if not isinstance(value, str) or form.kind == "ranks":
        expected = {"ranks": "a list of ranks", "choice": "the index of an option, or its text"}
        raise ValueFaultError(expected.get(form.kind, "a text"), value)
    chosen = beside.get(form.choice, value) if form.choice else value
    if not isinstance(chosen, str):
        raise ValueFaultError("the text of an option", chosen)
    return Prediction(id=case.id, answer=value, choice=index_of(chosen, case, options))


def own_prediction(case: Case, row: Mapping[str, Any], labels: Sequence[str] = ()) -> Prediction | None:
    """The prediction in a row of `predictions.jsonl` with scores or a choice; None for any other row.

    Indices are those of `labels`, if there are some, else of the options. A score of -inf is as if it were absent.
    """
    if not {"choice", "scores", "error", "num_tokens"} & row.keys():
        return None
    given = {key: row[key] for key in _OWN if row.get(key) is not None}
    scores, choice = given.get("scores", {}), given.get("choice", 0)
    num_candidates = len(labels or case.candidates or case.annotations[0].options)
    for name, kind in (("answer", str), ("error", str), ("is_truncated", bool)):
        if not isinstance(given.get(name, kind()), kind):
            raise ValueFaultError("true or false" if kind is bool else "a text", given[name])
    if type(given.get("num_tokens", 0)) is not int or given.get("num_tokens", 0) < 0:
        raise ValueFaultError("a number of tokens", given["num_tokens"])
    if type(choice) is not int or not 0 <= choice < (num_candidates or choice + 1):
        raise ValueFaultError("the index of an option", choice)
    if not isinstance(scores, Mapping) or not all(i.isdecimal() and _is_score(x) for i, x in scores.items()):
        raise ValueFaultError("finite scores by index", scores)
    given["scores"] = {int(index): float(score) for index, score in scores.items() if score != -math.inf}
    if num_candidates and any(index >= num_candidates for index in given["scores"]):
        raise ValueFaultError(f"scores by an index from 0 to {num_candidates - 1}", scores)
    return Prediction(id=case.id, **given)


def index_of(text: str, case: Case, options: Sequence[str]) -> int | None:
    """The index of the option with this text, or None. Of equal texts it is the right one, as official scorers compare
    texts.
    """
    right = case.annotations[0].answer_index
    if right is not None and right < len(options) and options[right] == text:
        return right
    return options.index(text) if text in options else None


def _is_score(value: Any) -> bool:
    """Whether a value is a finite number or -inf, which older files have for a candidate without a score."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return value == -math.inf or math.isfinite(value)


def _is_digits(value: Any, options: Sequence[str]) -> bool:
    """Whether a text is an index. The text of an option is never one: options may be numbers."""
    return isinstance(value, str) and value not in options and value.removeprefix("-").isdecimal()


def _is_word(value: Any, options: Sequence[str]) -> bool:
    return isinstance(value, str) and value in options


def _ranked(case_id: str, ranks: list[Any], options: Sequence[str]) -> Prediction:
    if sorted(rank if type(rank) is int else -1 for rank in ranks) != list(range(1, len(options) + 1)):
        raise ValueFaultError(f"the ranks 1 to {len(options)}, each once", ranks)
    best = ranks.index(1)
    scores = {index: float(-rank) for index, rank in enumerate(ranks)}
    return Prediction(id=case_id, answer=options[best], choice=best, scores=scores)


def _chosen(case_id: str, value: int | str, options: Sequence[str]) -> Prediction:
    """An index; -1 is what some scorers write for an answer that names no option."""
    index = int(value)
    if isinstance(value, bool) or not -1 <= index < len(options):
        raise ValueFaultError(f"an index from 0 to {len(options) - 1}", value)
    return Prediction(id=case_id) if index == -1 else Prediction(id=case_id, answer=options[index], choice=index)


def _scored(case_id: str, value: Any, labels: Sequence[str]) -> Prediction:
    """A probability of the second label, as the log-likelihoods of both."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= 1:
        raise ValueFaultError("a probability from 0 to 1", value)
    inner = min(max(number, 5e-324), 1 - 2**-53)  # finite logarithms; the order of all other floats is kept
    scores = {0: math.log1p(-inner), 1: math.log(inner)}
    return Prediction(id=case_id, answer=labels[number >= 0.5], choice=int(number >= 0.5), scores=scores)
