"""Split, method, metric, decoding and candidates of one evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ib_data.cards import Card
from ib_data.evaluation.choices import AGGREGATIONS
from ib_data.strict import Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How one dataset is evaluated.

    `metric` and `profile` name a metric of `evaluation/metrics` and one of its variants (empty if it has none);
    `other_profiles` are reported beside it. If answers are generated, `decoding` are settings of `Decoding`, of which
    `preset` names a preset; if not, `candidates` is one of `choices.CANDIDATES`. `verbalisers` are the words of each
    label. `vocabulary_least`: the vocabulary are the training answers that at least so many annotators gave in all; 0:
    there is none. `annotators`: how many answers the official file has for a question; empty ones are not stored.
    `breakdown` are names of `Annotation.extra`, dotted, by whose values the score is given too; `groups` of a name
    are several of its values each, by the name of the group. `left_out` is the one that, if true, excludes a question.
    `part`: only so many cases unless asked for more; 0: all. `golds`: what predictions are compared with; `read` finds
    it. `note` says where the paper and the released code differ.
    """

    dataset: str
    split: str
    method: str
    metric: str
    profile: str = ""
    other_profiles: tuple[str, ...] = ()
    decoding: Mapping[str, Any] = field(default_factory=dict)
    candidates: str = ""
    verbalisers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aggregation: str = AGGREGATIONS[0]
    normalisation: str = "sum"
    vocabulary_least: Count = 0
    annotators: Count = 0
    breakdown: tuple[str, ...] = ()
    groups: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    left_out: str = ""
    part: Count = 0
    golds: Literal["answers", "captions", "question", "label", "option"] = "answers"
    note: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that verbalisers stand for; empty if there are none."""
        return tuple(self.verbalisers)


def is_captioning(card: Card) -> bool:
    """Whether a case is an image with all of its captions; else it is one annotation."""
    return card.task in ("captioning", "captioning_scene_text")
