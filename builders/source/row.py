"""What a builder yields: a row (one annotation and its image or clip) or a drop (a source row with a reason)."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ib_data.errors import quoted
from ib_data.sample import Annotation, Answer
from ib_data.strict import Table

# A part of a path: no control character, no backslash, not "." and not "..".
_PART = re.compile(r"(?!\.{1,2}$)[^\x00-\x1f\x7f-\x9f\\]+")

_MAX_NUMBER = 10**12 - 1  # twelve digits, as in the longest official name


@dataclass(frozen=True, slots=True)
class MediaRef:
    """An image or clip of a media store (`cards/media.toml`), by its id.

    `url` and `size_px` (width and height) are given if the source states them.
    """

    store: str
    image_id: int | str
    url: str = ""
    size_px: tuple[int, int] | None = field(default=None, compare=False)

    def fault(self) -> str | None:
        """Why the id cannot be an image: it is not a valid file name, or leaves its folder. None if it is valid."""
        if isinstance(self.image_id, int):
            is_number = 0 <= self.image_id <= _MAX_NUMBER
            return None if is_number else f"expected a number of up to 12 digits, found {quoted(self.image_id)}"
        parts = self.image_id.split("/")
        is_path = all(map(_PART.fullmatch, parts))
        return None if is_path else f"expected the name of an image, found {quoted(self.image_id)}"


@dataclass(frozen=True, slots=True)
class Row:
    """One annotation of the source."""

    media: MediaRef
    annotation: Annotation


@dataclass(frozen=True, slots=True)
class Drop:
    """A row of the source that is left out. Reasons are few and fixed, so that they can be counted.

    `near` is its image, or the image of the row before it if it names none; `--limit` uses it.
    """

    source_id: str
    reason: str
    near: MediaRef | None = field(default=None, compare=False, repr=False)


def coco(folder: str, image_id: int, size_px: tuple[int, int] | None = None) -> MediaRef:
    """An image of COCO, by the folder the dataset names (`train2014`, `val2017`, ...)."""
    return MediaRef(f"coco_{folder}", image_id, size_px=size_px)


def stated_size(row: Table, width: str = "width", height: str = "height") -> tuple[int, int] | None:
    """The image size in pixels that a row states, or None."""
    size = row.get(width, int, None), row.get(height, int, None)
    return None if None in size else size


def clean(text: str) -> str:
    """`text` with outer blanks removed and every run of blanks and line breaks as one blank."""
    return " ".join(text.split())


def count_answers(texts: Iterable[str]) -> tuple[Answer, ...]:
    """Distinct answers with their counts, in first-seen order; empty texts are skipped."""
    counts = Counter(text for text in map(clean, texts) if text)
    return tuple(Answer(text, count) for text, count in counts.items())


def extra(**values: Any) -> dict[str, Any]:
    """`values` without empty ones, for `Annotation.extra`."""
    return {key: value for key, value in values.items() if value not in (None, "", (), [], {})}
