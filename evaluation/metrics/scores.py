"""The result of every metric."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a metric found. `score` is unrounded and a fraction: papers print it times 100.

    `values` (n,) are the scores of the examples, in order. `also` are further numbers of the same metric by name.
    `forms`: of each example the prediction and its references as they were compared; empty if a metric compares no
    texts. `resampled` gives the score of examples drawn with repetition, by their indices; None if it is the mean of
    their values.
    """

    score: float
    values: Floats
    also: Mapping[str, float] = field(default_factory=dict)
    forms: Sequence[tuple[str, tuple[str, ...]]] = ()
    resampled: Callable[[Indices], float] | None = None


def mean_scores(values: Sequence[float] | Floats, **given: object) -> Scores:
    """The Scores of a metric that is the mean over examples; nan if there is none. `given`: further fields."""
    found = np.asarray(values, dtype=np.float64)
    score = float(found.mean()) if len(found) else float("nan")
    return Scores(score=score, values=found, **given)  # type: ignore[arg-type]
