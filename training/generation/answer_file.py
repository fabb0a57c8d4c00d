"""A file of answers that a stopped run continues.

Until all are there, they are in `NAME.part` beside it, whose first line says what they were made from. A complete
file appears by one rename.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ib_data.errors import IbDataError
from ib_data.replacing import replacing


def json_line(values: Mapping[str, Any]) -> str:
    """The values as one line of JSON, readable in any script; half a surrogate pair stays escaped."""
    text = json.dumps(values, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class AnswerFile:
    """The answers that `path` is to hold; `num_done` of them are there already, `num_faults` of these with an error.

    `made_from` is everything that answers depend on: only a part from the same is continued. Raises IbDataError for
    another part, and if `path` exists.
    """

    def __init__(self, path: Path, made_from: Mapping[str, Any]) -> None:
        self.path, self.part = path, path.with_name(f"{path.name}.part")
        self.num_done = self.num_faults = 0
        if path.exists():
            what = "is a folder" if path.is_dir() else "exists already"
            raise IbDataError(f"{path} {what}; remove it, or name another --output")
        if not path.parent.is_dir():
            raise IbDataError(f"{path}: the folder {path.parent} does not exist; make it, or name another --output")
        lines = self._whole_lines()
        if lines:
            self._require_same(lines[0], made_from)
            self.num_done = len(lines) - 1
            self.num_faults = sum("error" in json.loads(line) for line in lines[1:])
        self._file = self.part.open("ab")
        if not lines:
            self._write([made_from])

    def __enter__(self) -> "AnswerFile":
        return self

    def __exit__(self, *_given: object) -> None:
        self._file.close()

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append answers; after a kill they are still there."""
        self._write(lines)

    def finish(self) -> None:
        """Put the answers at `path`, without the first line of the part."""
        os.fsync(self._file.fileno())
        with self.part.open("rb") as done, replacing(self.path) as whole, whole.open("wb") as file:
            done.readline()
            while piece := done.read(2**20):
                file.write(piece)
        self.part.unlink()

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self._file.write("".join(f"{json_line(line)}\n" for line in lines).encode("utf-8"))
        self._file.flush()

    def _whole_lines(self) -> list[bytes]:
        """The lines of the part, which loses an unfinished last one."""
        if not self.part.exists():
            return []
        data = self.part.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            with self.part.open("r+b") as file:
                file.truncate(len(whole))
        return whole.splitlines()

    def _require_same(self, line: bytes, made_from: Mapping[str, Any]) -> None:
        remedy = f"remove {self.part.name} to start again, or name another --output"
        try:
            before = json.loads(line)
        except ValueError:
            before = None
        if not isinstance(before, dict):
            raise IbDataError(f"{self.part}: not the beginning of an output of `ib-data generate`; {remedy}")
        for key, value in json.loads(json.dumps(made_from)).items():
            if before.get(key) != value:
                raise IbDataError(f"{self.part}: was made from another {key}; {remedy}")
