"""What an evaluation of one dataset found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.protocols.protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The score of the `count` cases that share a value."""

    score: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """One evaluated dataset: `cases`, `predictions`, `golds` and `scores.values` are aligned."""

    protocol: Protocol
    cases: Sequence[Case]
    predictions: Sequence[Prediction]
    scores: Scores
    golds: Sequence[tuple[str, ...]]
    breakdown: Mapping[str, Mapping[str, Group]] = field(default_factory=dict)
    prompt: str = ""
    decoding: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    num_built: int = 0
    official_size: int | None = None
    is_part: bool = False
    split_source_name: str = ""
    shuffle_seed: int | None = None
    warnings: Sequence[str] = ()
    leakage: Mapping[str, Any] = field(default_factory=dict)
