"""One question of an evaluation with its gold annotations, and what was predicted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ib_data.sample import Annotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question about a sample. For captions, an image with all of its annotations is one case.

    `id` is unique within the split: that of the first annotation. `template` names the template that gave `prompt`.
    `candidates` are ranked, in this order; none are if an answer is generated. `media_sha256` identifies the image or
    clip by its stored bytes. `fault`: why it cannot be asked, which counts as wrong.
    """

    id: str
    key: str
    annotations: tuple[Annotation, ...]
    prompt: str
    template: str
    candidates: tuple[str, ...] = ()
    media_sha256: str | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was predicted for a case. With `error`, why nothing was: it counts as wrong.

    `answer` is the generated text, or the text of the best candidate; `choice` is the index of that candidate. `scores`
    are those of the candidates by index: all of them, or the highest if there are many. `num_tokens` counts what was
    generated, and `is_truncated` is whether the longest length ended it; None if unknown, as for answers of a file.
    """

    id: str
    answer: str = ""
    choice: int | None = None
    scores: Mapping[int, float] = field(default_factory=dict)
    num_tokens: int | None = None
    is_truncated: bool | None = None
    error: str = ""
