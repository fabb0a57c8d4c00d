"""Split, method, metric, decoding and candidates of one evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = ("generate", "rank")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How one dataset is evaluated.

    `metric` and `profile` name a metric of `evaluation/metrics` and one of its variants (empty if it has none).
    `decoding` are settings of `Decoding`, of which `preset` names a preset, if answers are generated. Ranked are the
    annotation's own `options`, the `vocabulary` of the training answers, or words for each label (`verbalisers`): the
    score of a label is that of its words by `aggregation`. `breakdown` are names of `Annotation.extra`, dotted, by
    whose values the score is given too. `note` says where paper and released code differ.
    """

    dataset: str
    split: str
    method: str
    metric: str
    profile: str = ""
    decoding: Mapping[str, Any] = field(default_factory=dict)
    candidates: str = ""
    verbalisers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aggregation: str = "logsumexp"
    normalisation: str = "sum"
    breakdown: tuple[str, ...] = ()
    note: str = ""
