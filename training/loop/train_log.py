"""`log.jsonl` of a run: a line per step, and lines of other kinds. Each checkpoint keeps the lines before it."""

import io
import json
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

from ib_data.errors import IbDataError, quoted
from ib_data.replacing import replacing

_REMEDY = "the log is restored from the checkpoint"


class TrainLog:
    """The open log of a run; a context manager that closes it. Processes besides the main one keep it in memory."""

    def __init__(self, path: Path, kept: bytes, *, is_main: bool = True) -> None:
        self.path = path
        self._file: BinaryIO = io.BytesIO()
        if is_main:
            with replacing(path, is_locked=True) as part:
                part.write_bytes(kept)
            self._file = path.open("a+b")
        else:
            self._file.write(kept)

    def __enter__(self) -> "TrainLog":
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a line. Raises IbDataError if it cannot be written, ValueError for NaN, which JSON does not have."""
        line = f"{json.dumps(row, allow_nan=False)}\n".encode()
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            remedy = "free some space there, and run the same command again"
            raise IbDataError(f"{self.path}: cannot be written ({error.strerror}); {remedy}") from error

    def text(self) -> bytes:
        """All lines so far."""
        self._file.seek(0)
        return self._file.read()

    def losses(self) -> list[float]:
        """The loss of every step."""
        return [float(row["loss"]) for row in step_rows(self.text())]


def step_rows(log: bytes) -> list[dict[str, Any]]:
    """The lines of the steps among those of a log: they alone have a `loss`."""
    return _rows_with("loss", log)


def validation_rows(log: bytes) -> list[dict[str, Any]]:
    """The lines of validations among those of a log: in `validation` a loss for each dataset, None if not finite."""
    return _rows_with("validation", log)


def _rows_with(key: str, log: bytes) -> list[dict[str, Any]]:
    return [row for line in log.splitlines() if key in (row := json.loads(line))]


def say_what_differs(path: Path, kept: bytes, say: Callable[[str], None]) -> None:
    """Report where the log at `path` differs from the lines `kept` by a checkpoint: it was damaged, cut or removed.

    Later lines belong to steps that were not saved; those steps are repeated.
    """
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        if kept:
            say(f"{path}: expected {len(kept.splitlines()):,} lines, found no such file; {_REMEDY}")
        return
    if found.startswith(kept):
        return
    lines = zip_longest(kept.splitlines(keepends=True), found.splitlines(keepends=True), fillvalue=b"")
    number, expected, other = next((i, a, b) for i, (a, b) in enumerate(lines, 1) if a != b)
    text = expected.rstrip(b"\r\n")
    if text == other.rstrip(b"\r\n"):
        here, other = "a line feed at its end", other.removeprefix(text)
    else:
        here, other = quoted(text.decode()), other.rstrip(b"\r\n")
    there = quoted(other.decode(errors="replace")) if other else "the end of the file"
    say(f"{path}: line {number}: expected {here}, found {there}; {_REMEDY}")
