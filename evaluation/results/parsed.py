"""The bytes of a file as rows with their places: JSON, JSON lines, CSV, or one value a line; gzip and BOM allowed."""

import csv
import gc
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ib_data.errors import DataError, quoted

MAX_BYTES = 2**30
# Keys of one row: an object with one of each is JSON lines of a single line.
_ID_KEYS = {"id", "question_id", "questionId", "image_id", "image"}
_VALUE_KEYS = {"answer", "caption", "prediction", "text"}
_REMEDY = "write it again, as JSON, JSON lines or CSV in UTF-8"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a file: its place in the file, its id if the file is a mapping, and its value."""

    place: str
    key: str | None
    value: Any


@dataclass(frozen=True, slots=True)
class Parsed:
    """The rows of a file. `form`: list, mapping, lines, csv or rows; `whole` is the JSON value of a list or mapping."""

    form: str
    records: list[Record]
    whole: Any = None


class _DoubledKeyError(ValueError):
    pass


@contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection: it takes a third of the time of reading two million answers, and finds nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def parse(owner: str, path: Path) -> Parsed:
    """The rows of a file.

    Raises DataError, beginning with `owner`, for a file that is missing, empty, too large, not UTF-8 or not JSON, that
    is nested too deeply, and for an object with a doubled key.
    """
    text = _text(owner, path)
    if not text.strip():
        what = "references" if owner == "references" else "predictions"
        raise DataError(owner, f"expected {what}, found an empty file", file=str(path), remedy=_REMEDY)
    if text.lstrip()[0] not in "{[":
        return _csv(owner, path, text) if "," in text.lstrip().partition("\n")[0] else _rows(text)
    if ".jsonl" in path.name.lower():
        return _lines(owner, path, text)
    try:
        return of_value(_json(text))
    except json.JSONDecodeError as error:
        # Two objects after another are JSON lines; anything else is broken JSON.
        if error.msg == "Extra data" and text.lstrip()[0] == "{":
            return _lines(owner, path, text)
        raise _not_json(owner, path, error) from error
    except (ValueError, RecursionError) as error:
        raise _not_json(owner, path, error) from error


def of_value(value: Any) -> Parsed:
    """A decoded JSON list or object as rows."""
    if isinstance(value, dict) and _ID_KEYS & value.keys() and _VALUE_KEYS & value.keys():
        return Parsed("lines", [Record("line 1", None, value)])
    if isinstance(value, list):
        return Parsed("list", [Record(f"row {i}", None, item) for i, item in enumerate(value)], value)
    return Parsed("mapping", [Record(f"key {quoted(key)}", key, item) for key, item in value.items()], value)


def _text(owner: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if data[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(data)) as unpacked:
                data = unpacked.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise DataError(owner, "no such file", file=str(path), remedy="check the path") from error
    except IsADirectoryError as error:
        problem = "expected a file, found a folder"
        raise DataError(owner, problem, file=str(path), remedy="name a file in it") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(owner, f"the gzip data is damaged ({error})", file=str(path), remedy="pack it again") from error
    if len(data) > MAX_BYTES:
        problem = f"expected at most {MAX_BYTES:,} bytes, found more"
        raise DataError(owner, problem, file=str(path), remedy="is it another file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"expected UTF-8 text, found byte {data[error.start]:#04x} at {error.start:,}"
        raise DataError(owner, problem, file=str(path), remedy=_REMEDY) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        doubled = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _DoubledKeyError(f"key {quoted(doubled)} occurs twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _json(text: str) -> Any:
    return _DECODER.decode(text)


def _not_json(owner: str, path: Path, error: Exception, place: str | None = None) -> DataError:
    if isinstance(error, _DoubledKeyError):
        return DataError(owner, str(error), file=str(path), row=place, remedy="keep one of them")
    reason = "nested too deeply" if isinstance(error, RecursionError) else f"not JSON: {error}"
    return DataError(owner, reason, file=str(path), row=place, remedy=_REMEDY)


def _lines(owner: str, path: Path, text: str) -> Parsed:
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                records.append(Record(f"line {number}", None, _json(line)))
            except (ValueError, RecursionError) as error:
                raise _not_json(owner, path, error, f"line {number}") from error
    return Parsed("lines", records)


def _csv(owner: str, path: Path, text: str) -> Parsed:
    rows: Iterable[list[str]] = csv.reader(io.StringIO(text.strip("\r\n"), newline=""), strict=True)
    try:
        header, *lines = [row for row in rows if row]
    except csv.Error as error:
        raise DataError(owner, f"not CSV: {error}", file=str(path), remedy=_REMEDY) from error
    header = [name.strip() for name in header]
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            problem = f"expected {len(header)} cells, found {len(line)}"
            raise DataError(owner, problem, file=str(path), row=f"line {number}", remedy=_REMEDY)
    pairs = enumerate(lines, 2)
    return Parsed("csv", [Record(f"line {i}", None, dict(zip(header, line, strict=True))) for i, line in pairs])


def _rows(text: str) -> Parsed:
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    return Parsed("rows", [Record(f"line {number}", None, line) for number, line in lines if line])
