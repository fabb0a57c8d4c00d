"""Scores a protocol's cases, with other profiles and by the values of the source's own fields."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ib_data.console import count_text
from ib_data.errors import IbDataError
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.scoring.evaluated import Evaluated, Group
from ib_data.evaluation.scoring.golds import extra_at, readable
from ib_data.evaluation.scoring.metrics import METRICS
from ib_data.evaluation.scoring.scorers import Aligned


def scored(
    protocol: Protocol,
    cases: Sequence[Case],
    predictions: Mapping[str, Prediction],
    vocabulary: Collection[str] | None = None,
) -> Evaluated:
    """The scores of predictions by case id. A case without one, or whose prediction is an error, counts as wrong.

    Cases without a public answer are left out, with a warning, unless no case has one: then nothing is scored.
    `vocabulary` are the answers of the training split, for metrics that also have a closed score. Raises IbDataError
    for scores that are not numbers.
    """
    if not cases:
        raise IbDataError(f"{protocol.dataset}/{protocol.split}: there is no case to score")
    every = [predictions.get(case.id) or Prediction(id=case.id, error="no prediction") for case in cases]
    golds = [readable(protocol, case) for case in cases]
    at = [i for i, gold in enumerate(golds) if gold]
    if not at:
        nothing = Scores(score=float("nan"), values=np.full(len(cases), np.nan))
        return Evaluated(protocol=protocol, cases=cases, predictions=every, scores=nothing, golds=golds, is_hidden=True)
    what = Aligned(protocol, [cases[i] for i in at], [every[i] for i in at], vocabulary)
    metric = METRICS[protocol.metric]
    found = metric.score(what)
    others = {
        f"profile {name}": metric.score(replace(what, protocol=replace(protocol, profile=name))).score
        for name in protocol.other_profiles
    }
    breakdown = {name: _groups(what, found, name) for name in protocol.breakdown}
    for name, groups in protocol.groups.items():
        breakdown[f"{name} groups"] = _groups(what, found, name, groups)
    return Evaluated(
        protocol=protocol,
        cases=what.cases,
        predictions=what.predictions,
        scores=replace(found, also={**found.also, **others}),
        breakdown=breakdown,
        golds=[golds[i] for i in at],
        warnings=_warnings(what, len(cases) - len(at)),
    )


def _warnings(what: Aligned, num_unanswered: int) -> list[str]:
    """Lines about cases that are not scored, and about answers that are all empty."""
    place = f"{what.protocol.dataset}/{what.protocol.split}"
    found = []
    if num_unanswered:
        num = num_unanswered + len(what.cases)
        found.append(f"{place}: {num_unanswered:,} of {count_text(num, 'case')} have no public answer and are left out")
    said = [prediction for prediction in what.predictions if not prediction.error]
    if said and not any(prediction.answer.strip() for prediction in said):
        found.append(f"{place}: none of {count_text(len(said), 'answer')} has any text")
    return found


def part_score(evaluated: Evaluated, places: Sequence[int]) -> float:
    """The score of the cases at some places (at least one); nan as in `_part`."""
    what = Aligned(evaluated.protocol, evaluated.cases, evaluated.predictions)
    return _part(what, evaluated.scores, places)


def _groups(
    what: Aligned, scores: Scores, name: str, groups: Mapping[str, Collection[str]] | None = None
) -> dict[str, Group]:
    """The score of the cases with each value of an extra, or with the values of each group; others are absent."""
    group_of = {value: group for group, values in (groups or {}).items() for value in values}
    places: dict[str, list[int]] = {group: [] for group in groups or ()}
    for number, case in enumerate(what.cases):
        if (value := extra_at(case, name)) is None:
            continue
        text = str(value)
        if groups is None:
            places.setdefault(text, []).append(number)
        elif text in group_of:
            places[group_of[text]].append(number)
    shown = places.items() if groups else sorted(places.items())
    return {value: Group(score=_part(what, scores, at), count=len(at)) for value, at in shown if at}


def _part(what: Aligned, scores: Scores, at: Sequence[int]) -> float:
    """The score of some cases. If it depends on which ones are scored together, they are scored alone; nan for one."""
    metric = METRICS[what.protocol.metric]
    if metric.is_whole:
        cases, predictions = [what.cases[i] for i in at], [what.predictions[i] for i in at]
        alone = replace(what, cases=cases, predictions=predictions)
        return metric.score(alone).score if len(at) > 1 else float("nan")
    if scores.resampled is not None:
        return scores.resampled(np.array(at, dtype=np.int64))
    return float(scores.values[list(at)].mean())
