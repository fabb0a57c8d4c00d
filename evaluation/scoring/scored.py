"""Scores a protocol's cases, with other profiles and by the values of the source's own fields."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ib_data.errors import IbDataError
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.scoring.evaluated import Evaluated, Group
from ib_data.evaluation.scoring.golds import extra_at, readable
from ib_data.evaluation.scoring.scorers import OF_THE_WHOLE, SCORERS, Scored


def scored(
    protocol: Protocol,
    cases: Sequence[Case],
    predictions: Mapping[str, Prediction],
    vocabulary: Collection[str] | None = None,
) -> Evaluated:
    """The scores of predictions by case id. A case without one, or whose prediction is an error, counts as wrong.

    `vocabulary` are the answers of the training split, for metrics that also have a closed score. Nothing is scored if
    no case has a public answer. Raises IbDataError for scores that are not numbers.
    """
    aligned = [predictions.get(case.id) or Prediction(id=case.id, error="no prediction") for case in cases]
    if not cases:
        raise IbDataError(f"{protocol.dataset}/{protocol.split}: there is no case to score")
    golds = [readable(protocol, case) for case in cases]
    if not any(golds):
        nothing = Scores(score=float("nan"), values=np.full(len(cases), np.nan))
        return Evaluated(
            protocol=protocol, cases=cases, predictions=aligned, scores=nothing, golds=golds, is_hidden=True
        )
    what = Scored(protocol, cases, aligned, vocabulary)
    found = SCORERS[protocol.metric](what)
    others = {
        f"profile {name}": SCORERS[protocol.metric](replace(what, protocol=replace(protocol, profile=name))).score
        for name in protocol.other_profiles
    }
    return Evaluated(
        protocol=protocol,
        cases=cases,
        predictions=aligned,
        scores=replace(found, also={**found.also, **others}),
        breakdown={name: _groups(what, found, name) for name in protocol.breakdown},
        golds=golds,
    )


def part_score(evaluated: Evaluated, places: Sequence[int]) -> float:
    """The score of the cases at some places (at least one)."""
    what = Scored(evaluated.protocol, evaluated.cases, evaluated.predictions)
    return _part(what, evaluated.scores, places)


def _groups(what: Scored, scores: Scores, name: str) -> dict[str, Group]:
    """The score of the cases with each value of an extra, by value; those without one are absent."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, case in enumerate(what.cases):
        if (value := extra_at(case, name)) is not None:
            places[str(value)].append(number)
    return {value: Group(score=_part(what, scores, at), count=len(at)) for value, at in sorted(places.items())}


def _part(what: Scored, scores: Scores, at: Sequence[int]) -> float:
    if what.protocol.metric in OF_THE_WHOLE:
        cases, predictions = [what.cases[i] for i in at], [what.predictions[i] for i in at]
        return SCORERS[what.protocol.metric](replace(what, cases=cases, predictions=predictions)).score
    if scores.resampled is not None:
        return scores.resampled(np.array(at, dtype=np.int64))
    return float(scores.values[list(at)].mean())
