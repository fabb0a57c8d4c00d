"""The text of a template file: read with a bound, and searched for the line of a key."""

import re
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

from ib_data.errors import DataError, did_you_mean, quoted
from ib_data.strict import Table

MAX_FILE_BYTES = 1_000_000  # 200 templates of 2,000 characters with a target each have 800,000
_HEAD = re.compile(r"^[ \t]*\[+[ \t]*[\"']?([\w-]+)[^\]\n]*\]+[ \t]*(?:#.*)?$", re.MULTILINE)


class TemplateFileError(DataError):
    """A fault in a template file: its `line` (from 1), the `name` of the template or key, and the `problem`."""

    def __init__(self, file: str, line: int | None, place: str, problem: str, remedy: str | None = None) -> None:
        row = place if line is None else f"line {line}, {place}"
        super().__init__("templates", problem, file=file, row=row, remedy=remedy)
        self.line = line or 1
        self.name = place.removeprefix("template ").replace("'", "")
        self.problem = f"{problem}; {remedy}" if remedy else problem


def read_source(path: Path) -> str:
    """The text of a template file.

    Raises TemplateFileError for what is not a regular file (a pipe would never end), for more than MAX_FILE_BYTES, and
    for what is not UTF-8.
    """
    file = str(path)
    if not path.is_file():
        raise TemplateFileError(file, None, "file", "not a regular file", "put the text itself there")
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        problem = f"more than {MAX_FILE_BYTES:,} bytes"
        raise TemplateFileError(file, None, "file", problem, "keep fewer or shorter templates")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TemplateFileError(file, None, "file", f"not UTF-8: {error}", "save it as UTF-8") from error


def line_of(source: str, key: str, section: str | None = None) -> int | None:
    """The line (from 1) where `key =` stands, in `[section]` or before the first section; None where there is none.

    Without a `section` the key may also be the head of one. A table may be written inline or with dots: then there is
    no line.
    """
    heads = [(found[1], found.start()) for found in _HEAD.finditer(source)]
    bounds = [(None, 0), *heads, (None, len(source))]
    for (name, start), (_, end) in pairwise(bounds):
        if name == section:
            found = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=", source[start:end], re.MULTILINE)
            if found:
                return source.count("\n", 0, start + found.start()) + 1
            break
    starts = [start for name, start in heads if name == key and section is None]
    return source.count("\n", 0, starts[0]) + 1 if starts else None


def refuse_unknown_keys(table: Table, known: Collection[str], source: str, section: str | None = None) -> None:
    """Raise TemplateFileError, with its line, for the first key of a section that is not in `known`."""
    for key in table.values:
        if key not in known:
            line = line_of(source, key, section)
            raise TemplateFileError(
                table.file, line, section or "file", f"unknown key {key!r}", did_you_mean(key, known)
            )


def text_at(table: Table, key: str, line: int | None, place: str) -> str:
    """The text at `key`. Raises TemplateFileError where it is something else."""
    value = table.values[key]
    if not isinstance(value, str):
        raise TemplateFileError(table.file, line, place, f"expected a text, found {quoted(value)}")
    return value
