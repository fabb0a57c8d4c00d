"""What a builder yields: a row (one annotation and the image it belongs to) or a drop (a source row, with a reason)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ib_data.sample import Annotation, Answer


@dataclass(frozen=True, slots=True)
class MediaRef:
    """An image or clip of a media store (`cards/media.toml`), by its id there; `url` where the row says it."""

    store: str
    image_id: int | str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One annotation of the source."""

    media: MediaRef
    annotation: Annotation


@dataclass(frozen=True, slots=True)
class Drop:
    """A row of the source that is left out. Reasons are few and fixed, so that they can be counted.

    `near` is the image that it is of, or that of the row before it where it names none: what `--limit` goes by.
    """

    source_id: str
    reason: str
    near: MediaRef | None = field(default=None, compare=False, repr=False)


def coco(folder: str, image_id: int) -> MediaRef:
    """An image of COCO, by the folder the dataset names (`train2014`, `val2017`, ...)."""
    return MediaRef(f"coco_{folder}", image_id)


def clean(text: str) -> str:
    """`text` with outer blanks removed and every run of blanks and line breaks as one blank."""
    return " ".join(text.split())


def count_answers(texts: Iterable[str]) -> tuple[Answer, ...]:
    """Distinct answers with their counts, in first-seen order; an empty text is no answer."""
    counts = Counter(text for text in map(clean, texts) if text)
    return tuple(Answer(text, count) for text, count in counts.items())


def extra(**values: Any) -> dict[str, Any]:
    """What else the source says: `values` without those that it does not give."""
    return {key: value for key, value in values.items() if value not in (None, "", (), [], {})}
