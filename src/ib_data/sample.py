"""A sample: one image or clip with all of its annotations, and the strict reading and writing of its JSON.

The JSON names are fixed (they stand in every shard). Absent means absent: a field that the source does not give is
`None` or `()` here and has no key in the JSON; nulls and empty texts are refused when it is read, and never built.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ib_data.errors import IbDataError, did_you_mean, quoted

MEDIA_KINDS = ("image", "video")


class SampleError(IbDataError):
    """A sample's JSON that is not of the form; the message begins with the path of the faulty value."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and how many annotators gave it (at least 1)."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier round of a dialogue."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The image or clip of a sample. Sizes in pixels; `sha256` of the stored bytes, in hex.

    `width`, `height` and `sha256` are None in a build without media.
    """

    kind: str
    source_name: str
    width: int | None = None
    height: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One training or test example. `id` is unique within dataset and split; the task decides which fields are set.

    `answers` are in first-seen order. `answer_index` points into `options`, which may hold equal texts: never find
    the right option by its text. An option may be an empty text where the source has one, so that the others keep
    their places. `label` is a word (VSR: `true` or `false`). `extra` holds what else the source said.
    """

    id: str
    question: str | None = None
    answers: tuple[Answer, ...] = ()
    caption: str | None = None
    options: tuple[str, ...] = ()
    answer_index: int | None = None
    context: str | None = None
    ocr_tokens: tuple[str, ...] = ()
    history: tuple[Turn, ...] = ()
    statement: str | None = None
    label: str | None = None
    rationales: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image or clip with all of its annotations, as it is stored in a shard."""

    key: str
    dataset: str
    split: str
    media: Media
    annotations: tuple[Annotation, ...]

    def to_json(self) -> str:
        """The JSON text of a shard member: keys in declared order, UTF-8 characters as they are, no blanks to spare."""
        return json.dumps(plain(self), ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Sample":
        """The sample of a JSON text.

        Raises SampleError for text that is not JSON, and for a key that is unknown, missing, null, empty or of the
        wrong type.
        """
        try:
            value = json.loads(text)
        except ValueError as error:
            raise SampleError(f"a sample's JSON cannot be read: {error}") from error
        sample: Sample = _read(cls, value, "sample")
        return sample


def plain(value: Any) -> Any:
    """A sample, or a part of one, as nested dicts and lists without absent fields: what its JSON says."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if type(value) not in _READERS:
        return value
    pairs = ((name, getattr(value, name)) for name in _READERS[type(value)])
    return {name: plain(item) for name, item in pairs if item is not None and item != () and item != {}}


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise SampleError(f"{path}: expected a non-empty text, found {quoted(value)}")
    return value


def _option(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise SampleError(f"{path}: expected a text, found {quoted(value)}")
    return value


def _integer(value: object, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SampleError(f"{path}: expected an integer from 0, found {quoted(value)}")
    return value


def _list_of(read: Callable[[object, str], Any]) -> Callable[[object, str], tuple[Any, ...]]:
    def read_list(value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            raise SampleError(f"{path}: expected a non-empty list, found {quoted(value)}")
        return tuple(read(item, f"{path}[{i}]") for i, item in enumerate(value))

    return read_list


def _extra(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not value or any(item is None for item in value.values()):
        raise SampleError(f"{path}: expected a non-empty object without nulls, found {quoted(value)}")
    return value


def _object(cls: type[Any]) -> Callable[[object, str], Any]:
    return lambda value, path: _read(cls, value, path)


_READERS: dict[type[Any], dict[str, Callable[[object, str], Any]]] = {
    Answer: {"text": _text, "count": _integer},
    Turn: {"question": _text, "answer": _text},
    Media: {"kind": _text, "source_name": _text, "width": _integer, "height": _integer, "sha256": _text},
    Annotation: {
        "id": _text,
        "question": _text,
        "answers": _list_of(_object(Answer)),
        "caption": _text,
        "options": _list_of(_option),
        "answer_index": _integer,
        "context": _text,
        "ocr_tokens": _list_of(_text),
        "history": _list_of(_object(Turn)),
        "statement": _text,
        "label": _text,
        "rationales": _list_of(_text),
        "extra": _extra,
    },
    Sample: {
        "key": _text,
        "dataset": _text,
        "split": _text,
        "media": _object(Media),
        "annotations": _list_of(_object(Annotation)),
    },
}
_REQUIRED: dict[type[Any], tuple[str, ...]] = {
    Answer: ("text", "count"),
    Turn: ("question", "answer"),
    Media: ("kind", "source_name"),
    Annotation: ("id",),
    Sample: ("key", "dataset", "split", "media", "annotations"),
}


def _read(cls: type[Any], value: object, path: str) -> Any:
    if not isinstance(value, dict):
        raise SampleError(f"{path}: expected an object, found {quoted(value)}")
    readers = _READERS[cls]
    for key in value:
        if key not in readers:
            raise SampleError(f"{path}: unknown key {key!r}; {did_you_mean(key, readers)}")
    for key in _REQUIRED[cls]:
        if key not in value:
            raise SampleError(f"{path}: key {key!r} is missing")
    return cls(**{key: readers[key](item, f"{path}.{key}") for key, item in value.items()})
