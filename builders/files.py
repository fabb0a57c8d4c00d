"""The official files of one split, read row by row; every error says the dataset, the file and the row."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ib_data.builders.folders import walk
from ib_data.cards import SourceFile
from ib_data.errors import DataError, quoted
from ib_data.strict import Table

_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """An official file at hand: `member` is to be read from the archive at `path`; None reads the file itself.

    Where `member` stands for many files, `path` may also be the unpacked folder of them.
    """

    file: SourceFile
    path: Path
    member: str | None
    sha256: str
    why: str = "fetched"

    def read(self, dataset: str) -> bytes:
        """The bytes of a file or member; DataError where they cannot be had."""
        if self.member is not None:
            # Imported here: `tarfile` and `zipfile` would cost `ib-data list` 12 of its 73 ms.
            from ib_data.builders.archive import open_archive

            return open_archive(self.path, dataset).read(self.member)
        if self.path.suffix == ".gz":
            return _unzipped(self.path, dataset)
        return self.path.read_bytes()

    def provenance(self) -> dict[str, Any]:
        """What the manifest says of this source: no path of this machine, so that the manifest is the same anywhere."""
        paths = unpacked(self.path, self.file).values() if self.path.is_dir() else (self.path,)
        num_bytes = sum(path.stat().st_size for path in paths)
        return {"name": self.path.name, "url": self.file.url, "sha256": self.sha256, "num_bytes": num_bytes}


def unpacked(folder: Path, file: SourceFile) -> dict[str, Path]:
    """The loose files that the tree of `file` stands for, below its folder: by their paths from there on, sorted."""
    assert file.tree is not None
    _, name = file.tree
    found = (path for path in walk(str(folder)) if path.name == name and path.is_file())
    return dict(sorted((path.relative_to(folder).as_posix(), path) for path in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The official files of one split, by role, and the form of the source they belong to (None: it has one form)."""

    dataset: str
    split: str
    form: str | None
    located: Mapping[str, Located]

    def name(self, role: str) -> str:
        """How the file of a role is called in messages."""
        found = self.located[role]
        return f"{found.path.name}:{found.member}" if found.member else found.path.name

    def names(self) -> str:
        """The names of all files, for messages about the whole of them."""
        return ", ".join(map(self.name, self.located))

    def provenance(self) -> list[dict[str, Any]]:
        """What the manifest says of these sources."""
        return [found.provenance() for found in self.located.values()]

    def json(self, role: str) -> Any:
        """The whole JSON value in the file of `role`; DataError where it is not JSON (cut short, or an HTML page)."""
        try:
            return _loads(self._bytes(role))
        except (ValueError, RecursionError) as error:
            raise self._unreadable(role, None, error) from error

    def rows(self, role: str, key: str | None = None, **header: str) -> list[Table]:
        """The JSON list in the file of `role`, at its top or under `key`, a table a row.

        `header` are values that must stand beside the list, where the file has such a key. DataError for a file of
        another form: most likely it belongs to another dataset.
        """
        value = self.json(role)
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
        if not isinstance(value, list):
            raise self.wrong_file(role, f"expected a list of rows, found {type(value).__name__}")
        return [Table.of(row, self.dataset, self.name(role), f"{key or 'row'}[{i}]") for i, row in enumerate(value)]

    def lines(self, role: str) -> Iterator[Table]:
        """The rows of a JSONL file, a table a line; blank lines are skipped."""
        for number, line in enumerate(io.BytesIO(self._bytes(role)), 1):
            if not line.strip():
                continue
            try:
                value = _loads(line)
            except (ValueError, RecursionError) as error:
                raise self._unreadable(role, f"line {number}", error) from error
            yield Table.of(value, self.dataset, self.name(role), f"line {number}")

    def csv(
        self, role: str, columns: tuple[str, ...], *, delimiter: str = ",", has_header: bool = True
    ) -> Iterator[Table]:
        """The rows of a CSV file, a table of texts a row, by the names in its first row.

        `columns` must be there, in any order and among others; without a header they are the names, and every row has
        them. A byte order mark, any line ends and quoted line breaks are read; blank lines are skipped. DataError for
        another header, a row with too few or too many cells, a quote that does not end, and text that is no UTF-8.
        """
        names = None if has_header else list(columns)
        # newline="": the module is to see line breaks inside quotes as they are.
        text = io.StringIO(self._text(role), newline="")
        # A module-wide limit, 131,072 characters where nobody raises it; what a cell may hold is for others to say.
        csv.field_size_limit(sys.maxsize)
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
                remedy = "the file is cut short or is not this file: fetch it again"
                raise DataError(self.dataset, problem, file=self.name(role), row=at, remedy=remedy)
            yield Table.of(dict(zip(names, row, strict=True)), self.dataset, self.name(role), at)
        if names is None:
            raise self.wrong_file(role, f"expected a header with {', '.join(columns)}, found an empty file")

    def tree(self, role: str) -> Iterator[tuple[PurePosixPath, Table]]:
        """(path below the tree's folder, the JSON object in it) of every file of a tree, in the order of the paths."""
        for path, data in self._tree(role):
            try:
                value = _loads(data)
            except (ValueError, RecursionError) as error:
                raise self._unreadable(role, path, error) from error
            yield PurePosixPath(path), Table.of(value, self.dataset, self.name(role), path)

    def keyed(self, role: str) -> Iterator[tuple[str, Table]]:
        """(key, its table) of a file whose rows stand in one JSON object by their ids.

        DataError for a key that stands twice in an object, of which JSON alone would keep the last without a word.
        """
        try:
            value = _loads(self._bytes(role), object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise self._unreadable(role, None, error) from error
        if not isinstance(value, dict):
            raise self.wrong_file(role, f"expected an object of rows by their ids, found {type(value).__name__}")
        for key, row in value.items():
            yield key, Table.of(row, self.dataset, self.name(role), key)

    def wrong_file(self, role: str, problem: str) -> DataError:
        """The error for a file that reads well and is not what this dataset publishes."""
        remedy = f"is this a file of another dataset? The official one is {self.located[role].file.url}"
        return DataError(self.dataset, problem, file=self.name(role), remedy=remedy)

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
        from ib_data.builders.archive import open_archive

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
        remedy = "the file is cut short or is not this file: fetch it again"
        return DataError(
            self.dataset, f"cannot be read as {form} ({error})", file=self.name(role), row=row, remedy=remedy
        )


def _unzipped(path: Path, dataset: str) -> bytes:
    import gzip
    import zlib

    from ib_data.builders.unpacking import EXPANSION_FREE_BYTES, MAX_EXPANSION

    limit = max(MAX_EXPANSION * path.stat().st_size, EXPANSION_FREE_BYTES)
    try:
        with gzip.open(path) as stream:
            data = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        remedy = "the file is cut short or is not gzipped: fetch it again"
        raise DataError(dataset, f"cannot be read as gzip ({error})", file=str(path), remedy=remedy) from error
    if len(data) > limit:
        problem = f"expands {path.stat().st_size:,} bytes to more than {limit:,}: refused as a size bomb"
        raise DataError(dataset, problem, file=str(path))
    return data


def _loads(data: bytes, **how: Any) -> Any:
    """The JSON value in `data`. Half a surrogate pair, which no file can hold, becomes U+FFFD."""
    value = json.loads(data, **how)
    return _whole(value) if _HALF_PAIR.search(data) else value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if any(key == earlier for earlier, _ in pairs[:i]))
        raise ValueError(f"the key {twice!r} stands twice")
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return {_whole(key): _whole(item) for key, item in value.items()} if isinstance(value, dict) else value
