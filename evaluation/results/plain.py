"""Scores of plain files, without any build: references and predictions by id."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ib_data.console import count_text
from ib_data.errors import DataError, IbDataError, UnknownNameError, did_you_mean, quoted
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.results.parsed import uncollected
from ib_data.evaluation.results.references import read_references, read_texts
from ib_data.evaluation.scoring.metrics import METRICS, Metric

_SHOWN = 5
# `vqa` for `vqa-accuracy`: in files there is nothing else of a dataset but its answers.
PLAIN_METRICS: Mapping[str, Metric] = MappingProxyType(
    {name.removesuffix("-accuracy"): metric for name, metric in METRICS.items() if metric.function}
)
# What official references of a metric mark as no part of its task.
_LEFT_OUT = {"aokvqa": "difficult_direct_answer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainScore:
    """The score of one metric over `count` ids; `profile` is empty if the metric has none."""

    metric: str
    profile: str
    scores: Scores
    count: int
    notes: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """The values for JSON, unrounded."""
        return {
            "metric": self.metric,
            "profile": self.profile,
            "score": float(self.scores.score),
            "also": {name: float(value) for name, value in self.scores.also.items()},
            "count": self.count,
        }


def short_metric(name: str) -> str:
    """The name of a plain metric; `vqa-accuracy` is another name of `vqa`. UnknownNameError for any other name."""
    short = name.removesuffix("-accuracy")
    if short not in PLAIN_METRICS:
        raise UnknownNameError(f"unknown metric {name!r}; {did_you_mean(name, PLAIN_METRICS)}")
    return short


def score_files(
    metric: str,
    references: Path,
    predictions: Path,
    *,
    profile: str | None = None,
    tokenised: bool = False,
    allow_missing: bool = False,
    allow_extra: bool = False,
    only_predicted: bool = False,
) -> PlainScore:
    """The score of one of PLAIN_METRICS, over the ids of the references.

    A missing prediction counts as wrong with `allow_missing`, and its references are not used with `only_predicted`.
    Raises DataError for files that cannot be read and for ids that do not fit; IbDataError for an option that the
    metric does not have.
    """
    function = PLAIN_METRICS[metric].function
    assert function is not None
    options = _options(function, metric, profile, tokenised)
    with uncollected():
        every, texts = read_references(references, _LEFT_OUT.get(metric, "")), read_texts(predictions)
    right, left_out = every.texts, every.left_out
    texts = {i: text for i, text in texts.items() if i not in left_out}
    notes = _require_ids(predictions, right, texts, allow_missing or only_predicted, allow_extra)
    if left_out:
        notes.append(f"{count_text(len(left_out), 'question')} left out by {_LEFT_OUT[metric]}")
    ids = [i for i in right if i in texts] if only_predicted else list(right)
    if not ids:
        raise DataError("predictions", "no id is one of the references", file=str(predictions))
    golds: list[Any] = [right[i] for i in ids]
    if PLAIN_METRICS[metric].has_one_answer:
        golds = [_only(references, i, right[i]) for i in ids]
    scores = function([texts.get(i, "") for i in ids], golds, **options)
    chosen = options.get("profile", next(iter(PLAIN_METRICS[metric].profiles), ""))
    return PlainScore(metric=metric, profile=chosen, scores=scores, count=len(ids), notes=tuple(notes))


def _options(function: Any, metric: str, profile: str | None, tokenised: bool) -> dict[str, Any]:
    known = inspect.signature(function).parameters
    if profile is not None and "profile" not in known:
        raise IbDataError(f"--profile: {metric} has no profiles; leave it out")
    if tokenised and "tokenised" not in known:
        raise IbDataError(f"--tokenised: {metric} compares no captions; leave it out")
    return ({} if profile is None else {"profile": profile}) | ({"tokenised": True} if tokenised else {})


def _only(path: Path, name: str, texts: list[str]) -> str:
    """The one reference of an id; several equal ones are one."""
    if len(set(texts)) > 1:
        problem = f"id {quoted(name)}: accuracy compares with one answer, found {len(set(texts))}"
        raise DataError("references", problem, file=str(path), remedy="use another metric, such as vqa")
    return texts[0]


def _require_ids(
    path: Path, right: Mapping[str, Any], texts: Mapping[str, str], allow_missing: bool, allow_extra: bool
) -> list[str]:
    """Notes about ids that are let pass; DataError for others that only one of the files has."""
    missing, extra = [i for i in right if i not in texts], [i for i in texts if i not in right]
    if len(missing) == len(right):
        problem = f"no id is one of the references, for example {_listed(extra)}; theirs are {_listed(missing)}"
        raise DataError("predictions", problem, file=str(path), remedy="is it the file of another dataset or split?")
    if extra and not allow_extra:
        problem = f"{_have(len(extra), 'id')} no reference: {_listed(extra)}"
        raise DataError("predictions", problem, file=str(path), remedy="delete them, or add --allow-extra")
    if missing and not allow_missing:
        problem = f"{len(missing):,} of {len(right):,} ids have no prediction: {_listed(missing)}"
        remedy = "predict them, count them as wrong (--allow-missing), or score the others alone (--only-predicted)"
        raise DataError("predictions", problem, file=str(path), remedy=remedy)
    notes = [f"{len(missing):,} of {len(right):,} ids have no prediction"] if missing else []
    return [*notes, *([f"{_have(len(extra), 'prediction')} no reference"] if extra else [])]


def _have(number: int, noun: str) -> str:
    """Such as `1 id has`, `2 ids have`."""
    return f"{count_text(number, noun)} {'has' if number == 1 else 'have'}"


def _listed(ids: list[str]) -> str:
    return ", ".join(map(quoted, ids[:_SHOWN])) + (", ..." if len(ids) > _SHOWN else "")
