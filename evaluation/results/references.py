"""Plain files of references and predictions: COCO captions, VQA annotations, lists of rows, or a mapping by id."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ib_data.errors import DataError, quoted
from ib_data.evaluation.results.parsed import Parsed, Record, of_value, parse

_IDS = ("question_id", "questionId", "image_id", "image", "id")
_MANY = ("answers", "direct_answers", "references", "reference_strs", "captions")
_ONE = ("caption", "answer", "reference", "text")
_PREDICTED = ("answer", "direct_answer", "caption", "prediction", "text", "hypothesis")
_OUTER = ("annotations", "data", "results", "predictions")
_EXPECTED = "COCO captions, VQA annotations, or an object of id and list of references"


@dataclass(frozen=True, slots=True)
class References:
    """The references by id, in the order of the file, and the ids that are left out."""

    texts: Mapping[str, list[str]]
    left_out: Collection[str]


def read_references(path: Path, left_out: str = "") -> References:
    """The references of a file, without rows in which the key `left_out` is true.

    Accepts COCO captions and VQA annotations, lists or lines of rows with an id and `answers`, `references` or one
    `caption` or `answer`, and an object of id and references. Raises DataError, naming file and row, for anything else,
    for an id without references and for a doubled one.
    """
    parsed = _rows_of(path, "references")
    found: dict[str, list[str]] = {}
    joined, excluded = set(), set()
    for record in parsed.records:
        if left_out and isinstance(record.value, dict) and record.value.get(left_out) is True:
            excluded.add(_id(path, "references", record, record.value))
            continue
        name, value, is_caption = _reference(path, record)
        texts = _texts(path, record, value)
        if not texts:
            raise _error(path, "references", record, f"id {quoted(name)} has no reference", "delete it, or add one")
        if name in found and not (is_caption and name in joined):
            raise _error(path, "references", record, f"id {quoted(name)} occurs twice", "keep one of them")
        if is_caption:
            joined.add(name)
        found.setdefault(name, []).extend(texts)
    if not found:
        raise DataError("references", "expected references, found none", file=str(path), remedy=f"give {_EXPECTED}")
    return References(found, excluded)


def read_texts(path: Path) -> dict[str, str]:
    """The predicted text of each id, in the order of the file.

    Accepts lists and lines of rows with an id and an answer or caption, and an object of id and text (or a list with
    one). Raises DataError, naming file and row, for anything else and for a doubled id.
    """
    found: dict[str, str] = {}
    places: dict[str, str] = {}
    for record in _rows_of(path, "predictions").records:
        name, value = _predicted(path, record)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, str):
            problem = f"id {quoted(name)}: expected a text, found {quoted(value)}"
            raise _error(path, "predictions", record, problem, "write the answer as a text")
        if name in found:
            problem = f"id {quoted(name)} was already answered at {places[name]}"
            raise _error(path, "predictions", record, problem, "keep one answer for each id")
        found[name], places[name] = value, record.place
    if not found:
        remedy = "write a list of rows with an id and an answer, or an object of id and text"
        raise DataError("predictions", "expected predictions, found none", file=str(path), remedy=remedy)
    return found


def _rows_of(path: Path, owner: str) -> Parsed:
    """The rows of a file, those under the key of an official file if it has one."""
    parsed = parse(owner, path)
    if parsed.form == "rows":
        first = parsed.records[0]
        problem = f"expected JSON or CSV, found {quoted(first.value)}"
        raise _error(path, owner, first, problem, "is it another file?")
    if parsed.form != "mapping":
        return parsed
    if "questions" in parsed.whole and "annotations" not in parsed.whole:
        problem = "this is a file of questions, without answers"
        raise DataError(owner, problem, file=str(path), remedy="give the file of annotations that belongs to it")
    for key in _OUTER:
        if isinstance(parsed.whole.get(key), list):
            return of_value(parsed.whole[key])
    inner = parsed.whole.get("references" if owner == "references" else "hypotheses")
    return of_value(inner) if isinstance(inner, dict) else parsed


def _reference(path: Path, record: Record) -> tuple[str, Any, bool]:
    """The id of a row, its references, and whether it is one of several rows of an image."""
    if record.key is not None and not isinstance(record.value, dict):
        return record.key, record.value, False
    row = _row(path, "references", record)
    key = next((key for key in (*_MANY, *_ONE) if row.get(key) is not None), None)
    if key is None:
        remedy = f"give {_EXPECTED}"
        raise _error(path, "references", record, f"no references among the keys {_keys(row)}", remedy)
    return _id(path, "references", record, row), row[key], key == "caption"


def _predicted(path: Path, record: Record) -> tuple[str, Any]:
    if record.key is not None and not isinstance(record.value, dict):
        return record.key, record.value
    row = _row(path, "predictions", record)
    key = next((key for key in _PREDICTED if key in row), None)
    if key is None:
        remedy = "write it as `answer` or `caption`"
        raise _error(path, "predictions", record, f"no answer among the keys {_keys(row)}", remedy)
    return _id(path, "predictions", record, row), row[key]


def _row(path: Path, owner: str, record: Record) -> Mapping[str, Any]:
    if isinstance(record.value, dict):
        return record.value
    raise _error(path, owner, record, f"expected an object with an id, found {quoted(record.value)}", "write one")


def _id(path: Path, owner: str, record: Record, row: Mapping[str, Any]) -> str:
    if record.key is not None:
        return record.key
    key = next((key for key in _IDS if key in row), None)
    if key is None:
        raise _error(path, owner, record, f"no id among the keys {_keys(row)}", f"name it {' or '.join(_IDS)}")
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        problem = f"{key!r}: expected a number or a text, found {quoted(value)}"
        raise _error(path, owner, record, problem, "write the id of the references")
    return str(value)


def _texts(path: Path, record: Record, value: Any) -> list[str]:
    """References as texts: a text, a list of texts, or a list of objects with `answer` or `text` (and `count`)."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        text, count = item, 1
        if isinstance(item, dict):
            text, count = item.get("answer", item.get("text")), item.get("count", 1)
        if not isinstance(text, str) or type(count) is not int or count < 1:
            problem = f"expected texts, found {quoted(item)}"
            raise _error(path, "references", record, problem, f"give {_EXPECTED}")
        found += [text] * count
    return found


def _keys(row: Mapping[str, Any]) -> str:
    return ", ".join(row) or "of an empty object"


def _error(path: Path, owner: str, record: Record, problem: str, remedy: str | None) -> DataError:
    return DataError(owner, problem, file=str(path), row=record.place, remedy=remedy)
