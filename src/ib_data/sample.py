"""A sample: one image or clip with all of its annotations, and the strict reading and writing of its JSON.

The JSON names are fixed, since every shard has them. A field that the source does not give is `None` or `()` here and
has no key in the JSON. Nulls and empty texts are never written, and reading rejects them.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from ib_data.errors import IbDataError, did_you_mean, quoted

MEDIA_KINDS = ("image", "video")


class SampleError(IbDataError):
    """Invalid sample JSON; the message begins with the path of the faulty value."""


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
    """The image or clip of a sample: sizes in pixels, and the SHA-256 of the stored bytes in hex.

    `kind` is one of MEDIA_KINDS. `width`, `height` and `sha256` are None in a build without media.
    """

    kind: str
    source_name: str
    width: int | None = None
    height: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One training or test example. `id` is unique within dataset and split; the task decides which fields are set.

    `answers` are in first-seen order. `answer_index` points into `options`, which may hold equal texts: never look up
    the right option by its text. An option may be empty if the source has an empty one, so that indices stay valid.
    `label` is a word (VSR: `true` or `false`). `extra` holds further values of the source.
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
        """The JSON text of a shard member: keys in declared order, unescaped UTF-8, compact."""
        return json.dumps(plain(self), ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Sample":
        """Parse a JSON text completely.

        Raises SampleError for text that is not JSON in UTF-8, for an unknown or missing key, for a null, an empty value
        or a wrong type, and for a value out of range (a count of 0, an index beyond the options).
        """
        return StoredSample.from_json(text).whole()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSample:
    """A sample whose annotations are parsed on demand: a draw needs one of the dozens an image may have.

    Only parsed annotations are checked. `raw_annotations` are decoded JSON values.
    """

    key: str
    dataset: str
    split: str
    media: Media
    raw_annotations: tuple[object, ...]

    @classmethod
    def from_json(cls, text: str | bytes) -> "StoredSample":
        """Parse a JSON text, except its annotations. Raises SampleError as `Sample.from_json`."""
        try:
            value = _DECODER.decode(text if isinstance(text, str) else text.decode())
        except (ValueError, RecursionError) as error:
            raise SampleError(f"a sample's JSON cannot be read: {error}") from error
        try:
            sample: StoredSample = _STORED(value)
        except _FaultError as fault:
            raise SampleError(f"sample{fault.path}: {fault.problem}") from fault
        return sample

    @property
    def num_annotations(self) -> int:
        """The number of annotations, at least 1."""
        return len(self.raw_annotations)

    def annotation(self, number: int) -> Annotation:
        """Parse annotation `number`, from 0. Raises SampleError if it is invalid, IndexError if there is none."""
        if number < 0:
            raise IndexError(f"expected the number of an annotation, from 0, found {number}")
        try:
            found: Annotation = _annotation(self.raw_annotations[number])
        except _FaultError as fault:
            raise SampleError(f"sample.annotations[{number}]{fault.path}: {fault.problem}") from fault
        return found

    def whole(self) -> Sample:
        """The sample with all annotations parsed. Raises SampleError if one is invalid."""
        annotations = tuple(self.annotation(number) for number in range(self.num_annotations))
        return Sample(key=self.key, dataset=self.dataset, split=self.split, media=self.media, annotations=annotations)


def plain(value: Any) -> Any:
    """A sample, or a part of one, as nested dicts and lists, without absent fields, as in its JSON."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if type(value) not in _NAMES:
        return value
    pairs = ((name, getattr(value, name)) for name in _NAMES[type(value)])
    return {name: plain(item) for name, item in pairs if item is not None and item != () and item != {}}


def _finite(digits: str) -> float:
    """`digits` as a float; ValueError for NaN, Infinity and numbers too large for a float."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{quoted(digits)} is no finite number")
    return value


# Created once: json.loads with a hook creates a decoder per text, 4 microseconds.
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


class _FaultError(Exception):
    """A faulty value and its path. The path is built only on error, from the inside out."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.path = ""

    def inside(self, step: str) -> "_FaultError":
        self.path = step + self.path
        return self


_Reader = Callable[[Any], Any]


def _text(value: Any) -> str:
    if type(value) is not str or not value:
        raise _FaultError(f"expected a non-empty text, found {quoted(value)}")
    return value


def _option(value: Any) -> str:
    if type(value) is not str:
        raise _FaultError(f"expected a text, found {quoted(value)}")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _FaultError(f"expected an integer from 0, found {quoted(value)}")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise _FaultError(f"expected an integer from 1, found {quoted(value)}")
    return value


def _kind(value: Any) -> str:
    if value not in MEDIA_KINDS:
        raise _FaultError(f"expected one of {', '.join(MEDIA_KINDS)}, found {quoted(value)}")
    return str(value)


def _list(value: Any) -> tuple[Any, ...]:
    if type(value) is not list or not value:
        raise _FaultError(f"expected a non-empty list, found {quoted(value)}")
    return tuple(value)


def _list_of(read: _Reader) -> Callable[[Any], tuple[Any, ...]]:
    def read_list(value: Any) -> tuple[Any, ...]:
        items = _list(value)
        found: list[Any] = []  # not a comprehension: its length is the index of a faulty item
        try:
            for item in items:
                found.append(read(item))
        except _FaultError as fault:
            raise fault.inside(f"[{len(found)}]") from None
        return tuple(found)

    return read_list


def _extra(value: Any) -> Mapping[str, Any]:
    if type(value) is not dict or not value or None in value.values():
        raise _FaultError(f"expected a non-empty object without nulls, found {quoted(value)}")
    return dict(value)  # an annotation may be read twice


def _object(cls: type[Any], readers: Mapping[str, _Reader], make: Callable[..., Any] | None = None) -> _Reader:
    """A reader of JSON objects with the keys of `cls`, passed to `make` (default: `cls`)."""
    make = make or cls
    required = [item.name for item in fields(cls) if item.default is item.default_factory is MISSING]

    def read_object(value: Any) -> Any:
        if type(value) is not dict:
            raise _FaultError(f"expected an object, found {quoted(value)}")
        found: dict[str, Any] = {}
        try:
            for key, item in value.items():
                found[key] = readers[key](item)
        except _FaultError as fault:
            raise fault.inside(f".{key}") from None
        except KeyError:
            raise _FaultError(f"unknown key {key!r}; {did_you_mean(key, readers)}") from None
        for key in required:
            if key not in found:
                raise _FaultError(f"key {key!r} is missing")
        return make(**found)

    return read_object


_ANSWER = _object(Answer, {"text": _text, "count": _count})
_TURN = _object(Turn, {"question": _text, "answer": _text})
_MEDIA = _object(Media, {"kind": _kind, "source_name": _text, "width": _integer, "height": _integer, "sha256": _text})
_UNCHECKED = _object(
    Annotation,
    {
        "id": _text,
        "question": _text,
        "answers": _list_of(_ANSWER),
        "caption": _text,
        "options": _list_of(_option),
        "answer_index": _integer,
        "context": _text,
        "ocr_tokens": _list_of(_text),
        "history": _list_of(_TURN),
        "statement": _text,
        "label": _text,
        "rationales": _list_of(_text),
        "extra": _extra,
    },
)


def _annotation(value: Any) -> Annotation:
    found: Annotation = _UNCHECKED(value)
    index = found.answer_index
    if index is not None and index >= len(found.options):
        fault = _FaultError(f"expected the place of one of {len(found.options)} options, found {index}")
        raise fault.inside(".answer_index")
    return found


_SAMPLE = {"key": _text, "dataset": _text, "split": _text, "media": _MEDIA, "annotations": _list}
_STORED = _object(Sample, _SAMPLE, lambda annotations, **given: StoredSample(raw_annotations=annotations, **given))
_NAMES = {cls: [item.name for item in fields(cls)] for cls in (Answer, Turn, Media, Annotation, Sample)}
