"""Cases with their predictions, scores, and everything that a report says about how they came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.protocols.protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The score of the cases that share a value, nan if so few have none, and how many they are."""

    score: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffled:
    """The cases asked about other examples' images, exchanged by `seed`; aligned with the cases."""

    seed: int
    predictions: Sequence[Prediction]
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The result of one evaluation. `cases`, `predictions` and `golds` are aligned.

    `cases` are those with a public answer, unless `is_hidden`. `golds` are the readable right answers of each case.
    `prompt` is the text of the zero-shot prompt, or says which templates were drawn. `decoding` are the resolved
    settings, empty if candidates were ranked. `model` identifies what answered. `num_built` counts the annotations of
    the split here and `num_used` those of the cases; `official_size` is the card's, None if unknown. `is_part`: not all
    that is built was asked. `kind`: how the build differs from the official data, in short phrases. `is_hidden`: no
    case has a public answer, so that nothing is scored. `warnings` are the first lines of a report. `leakage` says what
    of the split the model was trained on. `shuffled`: the same questions about other examples' images, if they were
    asked too.
    """

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
    num_used: int = 0
    official_size: int | None = None
    is_part: bool = False
    kind: Sequence[str] = ()
    split_source_name: str = ""
    is_hidden: bool = False
    warnings: Sequence[str] = ()
    leakage: Mapping[str, Any] = field(default_factory=dict)
    shuffled: "Shuffled | None" = None
