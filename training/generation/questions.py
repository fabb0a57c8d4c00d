"""Questions from a file of JSON lines.

A line is an object with `prompt` and one of `image` (a path), `images` (a list of paths) and `video` (a path), and
perhaps an `id`. Paths are relative to the folder of the file. Lines of an earlier output can be asked again: `answer`
and `error` are ignored. Blank lines are skipped.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ib_data.errors import DataError, IbDataError
from ib_data.strict import Table

_MEDIA = ("image", "images", "video")
_RESULTS = ("answer", "error")
KEYS = ("id", "prompt", *_MEDIA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One line: its number from 1, its values as they came, and what is asked; or `fault`, why it cannot be asked.

    A line that is no object has its number and text as values.

    `kind` is "image" for each of `paths` being an image, "video" for one clip.
    """

    number: int
    values: Mapping[str, Any]
    prompt: str = ""
    kind: str = "image"
    paths: tuple[Path, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionFile:
    """All questions of a file in order, with the SHA-256 of its bytes.

    `default_prompt` is that of lines without one; None if every line has its own.
    """

    path: Path
    questions: tuple[Question, ...]
    sha256: str
    default_prompt: str | None = None


def read_questions(path: Path, default_prompt: str | None = None) -> QuestionFile:
    """The questions of a file; lines without a prompt have `default_prompt`, if there is one.

    Raises IbDataError for a file without questions, and OSError if it cannot be read.
    """
    digest = hashlib.sha256()
    found = tuple(_questions(path, default_prompt, digest))
    if not found:
        raise IbDataError(f"{path}: expected a question on each line, found an empty file")
    used = default_prompt if any("prompt" not in question.values for question in found) else None
    return QuestionFile(path=path, questions=found, sha256=digest.hexdigest(), default_prompt=used)


def _questions(path: Path, default_prompt: str | None, digest: Any) -> Iterator[Question]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            digest.update(line)
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield _question(path, number, line, default_prompt)


def _question(path: Path, number: int, line: bytes, default_prompt: str | None) -> Question:
    values: dict[str, Any] = {}
    try:
        table = Table.of(_parsed(line), "questions", str(path), f"line {number}")
        values = {key: value for key, value in table.values.items() if key not in _RESULTS}
        table.only((*KEYS, *_RESULTS))
        prompt = table.get("prompt", str, default_prompt) if default_prompt is not None else table.get("prompt", str)
        kind, names = _media(table)
        paths = tuple(path.parent / name for name in names)
        return Question(number=number, values=values, prompt=prompt, kind=kind, paths=paths)
    except DataError as error:
        fault = str(error).removeprefix(f"questions: {path}: ")
    except ValueError as error:
        fault = f"line {number}: not JSON: {error}"
    text = line.decode("utf-8", "backslashreplace").strip()
    return Question(number=number, values=values or {"line": number, "text": text}, fault=fault)


def _parsed(line: bytes) -> object:
    """The value in a line. Raises ValueError that says what is wrong with it."""
    try:
        return json.loads(line.decode("utf-8").strip())
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _media(table: Table) -> tuple[str, tuple[str, ...]]:
    given = [key for key in _MEDIA if key in table.values]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise table.error(f"expected one of {', '.join(_MEDIA)}, found {found}")
    (key,) = given
    names = table.texts(key) if key == "images" else (table.get(key, str),)
    if not names or not all(names):
        raise table.error(f"{key!r}: expected a path, found {'no path' if not names else 'an empty one'}")
    return ("video" if key == "video" else "image"), names
