"""Reading the official files of one split, row by row. Every error names the dataset, the file and the row."""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ib_data.builders.source.json_text import KeyTwiceError, is_lines, loads, starts_with
from ib_data.builders.source.located import Located, unpacked
from ib_data.cards import Mark
from ib_data.console import note
from ib_data.errors import DataError, quoted
from ib_data.strict import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The official files of one split, by role, and their form of the source (None: there is only one)."""

    dataset: str
    split: str
    form: str | None
    located: Mapping[str, Located]
    doubted: set[str] = field(default_factory=set, compare=False)  # roles for which `doubt` has printed a note

    def name(self, role: str) -> str:
        """The name of a role's file in messages."""
        found = self.located[role]
        return f"{found.path.name}:{found.member}" if found.member else found.path.name

    def names(self) -> str:
        """The names of all files, for messages."""
        return ", ".join(map(self.name, self.located))

    def provenance(self) -> list[dict[str, Any]]:
        """The entries of these files in the manifest."""
        return [found.provenance() for found in self.located.values()]

    def json(self, role: str) -> Any:
        """The whole JSON value in the file of `role`.

        Raises DataError if it is not JSON (cut short, or an HTML page), if a key occurs twice in an object, and if the
        file contradicts its card: then it is the file of another split, version or dataset.
        """
        return self._value(role, self._bytes(role))

    def table(self, role: str) -> Table:
        """The JSON object in the file of `role`, as one table; DataError for any other JSON value."""
        return self._reader(role, is_marked=False)(self.json(role), "")

    def rows(self, role: str, key: str | None = None, **header: str) -> list[Table]:
        """The JSON list in the file of `role`, at the top or under `key`, one table per row.

        `header`: expected values of the keys beside the list, if the file has them. JSON Lines instead of a list at the
        top are read too, with a note. Raises DataError for any other form, which is most likely another dataset's file.
        """
        data = self._bytes(role)
        if key is None and is_lines(data):
            note(f"{self.dataset}: {self.name(role)}: holds JSON Lines instead of one list; read as JSON Lines")
            return list(self._lines(role, data))
        return self._under(role, key, self._value(role, data), header)

    def lists(self, role: str, key: str, *more: str) -> list[list[Table]]:
        """The lists at `key` and `more` keys of one object, as `rows`; `more` may be absent. Parses the file once."""
        value = self._value(role, self._bytes(role))
        return [self._under(role, name, value, {}) if name == key or name in value else [] for name in (key, *more)]

    def lines(self, role: str) -> Iterator[Table]:
        """The rows of a JSON Lines file, one table per line; blank lines are skipped.

        One JSON list instead is read too, with a note.
        """
        data = self._bytes(role)
        if starts_with(data, b"["):
            rows = self._tables(role, None, self._value(role, data))
            note(f"{self.dataset}: {self.name(role)}: holds one JSON list instead of JSON Lines; read as a list")
            return iter(rows)
        return self._lines(role, data)

    def csv(
        self, role: str, columns: tuple[str, ...], *, delimiter: str = ",", has_header: bool = True
    ) -> Iterator[Table]:
        """The rows of a CSV file, one table of texts per row, keyed by the header.

        `columns` are required, in any order and among others; if there is no header, they are the names of all cells.
        Accepts a byte order mark, any line ends and quoted line breaks; skips blank lines. Raises DataError for a wrong
        header, too few or too many cells, an unclosed quote, and text that is not UTF-8.
        """
        names = None if has_header else list(columns)
        # newline="": keep line breaks inside quotes as they are.
        text = io.StringIO(self._text(role), newline="")
        # The module's default limit is 131,072 characters.
        csv.field_size_limit(sys.maxsize)
        read = self._reader(role)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        while True:
            at = f"line {reader.line_num + 1}"
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise self._unreadable(role, at, error, "CSV") from error
            if row is None:
                break
            if not row:
                continue
            if names is None:
                names = self._header(role, row, columns)
                continue
            if len(row) != len(names):
                problem = f"expected {len(names)} cells, found {len(row)}"
                remedy = "the file is cut short or is another file: fetch it again"
                raise DataError(self.dataset, problem, file=self.name(role), row=at, remedy=remedy)
            yield read(dict(zip(names, row, strict=True)), at)
        if names is None:
            raise self.wrong_file(role, f"expected a header with {', '.join(columns)}, found an empty file")

    def tree(self, role: str) -> Iterator[tuple[PurePosixPath, Table]]:
        """(path inside the tree, its JSON object) for every file of a tree, sorted by path."""
        read = self._reader(role)
        for path, data in self._tree(role):
            yield PurePosixPath(path), read(self._loads(role, path, data), path)

    def keyed(self, role: str) -> Iterator[tuple[str, Table]]:
        """(id, row) for every entry of a file with one JSON object that maps ids to rows."""
        value = self._loads(role, None, self._bytes(role))
        if not isinstance(value, dict):
            raise self.wrong_file(role, f"expected an object of rows by their ids, found {_kind(value)}")
        read = self._reader(role)
        for key, row in value.items():
            yield key, read(row, key)

    def wrong_file(self, role: str, problem: str) -> DataError:
        """The error for a file that can be read but is not what this dataset publishes."""
        return DataError(self.dataset, problem, file=self.name(role), remedy=self.ask(role))

    def ask(self, role: str) -> str:
        """The remedy if a file contradicts its card."""
        return (
            f"is this a file of another dataset, or of another split? The official one is {self.located[role].file.url}"
        )

    def _loads(self, role: str, row: str | None, data: bytes) -> Any:
        """The JSON value in the file of `role`, or in the part of it that `row` names."""
        try:
            return loads(data)
        except KeyTwiceError as error:
            place = ": ".join(filter(None, (row, error.place)))
            problem = f"the key {quoted(error.key)} occurs twice in one object; JSON readers would keep only the last"
            remedy = "two files joined into one? Fetch the official file again"
            raise DataError(self.dataset, problem, file=self.name(role), row=place or None, remedy=remedy) from error
        except (ValueError, RecursionError) as error:
            if row is None and is_lines(data):
                raise self.wrong_file(role, "expected one JSON object, found JSON Lines") from error
            raise self._unreadable(role, row, error) from error

    def _value(self, role: str, data: bytes) -> Any:
        """The JSON value in the whole file, checked against the card."""
        value = self._loads(role, None, data)
        for name, marks in self.located[role].file.marks.items():
            if name == "top" and isinstance(value, dict):
                self._check(role, value, marks, None)
            elif isinstance(value, dict) and isinstance(value.get(name), list):
                for i, row in enumerate(value[name]):
                    self._check(role, row, marks, f"{name}[{i}]")
        return value

    def _under(self, role: str, key: str | None, value: Any, header: Mapping[str, str]) -> list[Table]:
        if key is not None:
            if not isinstance(value, dict) or key not in value:
                found = (
                    f"an object with {', '.join(map(repr, list(value)[:6]))}" if isinstance(value, dict) else "a list"
                )
                raise self.wrong_file(role, f"expected an object with {key!r}, found {found}")
            for name, expected in header.items():
                if value.get(name, expected) != expected:
                    raise self.wrong_file(role, f"expected {name} {expected!r}, found {quoted(value[name])}")
            value = value[key]
        return self._tables(role, key, value)

    def _tables(self, role: str, key: str | None, value: Any) -> list[Table]:
        if not isinstance(value, list):
            raise self.wrong_file(role, f"expected a list of rows, found {_kind(value)}")
        read = self._reader(role, is_marked=key is None)
        return [read(row, f"{key or 'row'}[{i}]") for i, row in enumerate(value)]

    def _lines(self, role: str, data: bytes) -> Iterator[Table]:
        read = self._reader(role)
        for number, line in enumerate(io.BytesIO(data), 1):
            if line.strip():
                yield read(self._loads(role, at := f"line {number}", line), at)

    def _reader(self, role: str, is_marked: bool = True) -> Callable[[object, str], Table]:
        """(row, place) -> table. With `is_marked`, rows are checked against the marks on the card."""
        dataset, name, ask = self.dataset, self.name(role), self.ask(role)
        marks = self.located[role].file.marks.get("rows", ()) if is_marked else ()

        def read(row: object, place: str) -> Table:
            if marks:
                self._check(role, row, marks, place)
            if type(row) is dict:  # JSON keys are texts, so the check of each key in `of` is not needed
                return Table(row, dataset, name, place, ask=ask)
            return Table.of(row, dataset, name, place, ask=ask)

        return read

    def _check(self, role: str, row: object, marks: tuple[Mark, ...], place: str | None) -> None:
        """Raise DataError for a row that contradicts a mark; print one note per file if the mark is only a hint."""
        if isinstance(row, Mapping):
            for mark in marks:
                if not mark.holds(row):
                    error = DataError(
                        self.dataset, mark.fault(row), file=self.name(role), row=place, remedy=self.ask(role)
                    )
                    if not mark.is_hint:
                        raise error
                    self.doubt(role, str(error))

    def doubt(self, role: str, line: str) -> None:
        """Print a note, once per file, that it may not be the official one."""
        if role not in self.doubted:
            self.doubted.add(role)
            note(line)

    def _header(self, role: str, row: list[str], columns: tuple[str, ...]) -> list[str]:
        missing = [name for name in columns if name not in row]
        if missing or len(set(row)) < len(row):
            what = f"no column {missing[0]!r}" if missing else "a column twice"
            raise self.wrong_file(role, f"{what} in the header {quoted(','.join(row), 120)}")
        return row

    def _text(self, role: str) -> str:
        try:
            return self._bytes(role).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._unreadable(role, None, error, "UTF-8") from error

    def _tree(self, role: str) -> Iterator[tuple[str, bytes]]:
        found = self.located[role]
        assert found.file.tree is not None
        if found.path.is_dir():
            yield from ((name, path.read_bytes()) for name, path in unpacked(found.path, found.file).items())
            return
        from ib_data.builders.source.archives.archive import open_archive

        archive, (folder, name) = open_archive(found.path, self.dataset), found.file.tree
        for member in sorted(archive.members):
            if member.startswith(f"{folder}/") and member.endswith(f"/{name}"):
                yield member.removeprefix(f"{folder}/"), archive.read(member)

    def _bytes(self, role: str) -> bytes:
        found = self.located[role]
        if found.file.tree:
            return b"\n".join(data for _, data in self._tree(role))
        return found.read(self.dataset)

    def _unreadable(self, role: str, row: str | None, error: Exception, form: str = "JSON") -> DataError:
        remedy = "the file is cut short or is another file: fetch it again"
        return DataError(
            self.dataset, f"cannot be read as {form} ({error})", file=self.name(role), row=row, remedy=remedy
        )


def _kind(value: object) -> str:
    """The type of a JSON value, in words."""
    words = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return words.get(type(value), "a number")
