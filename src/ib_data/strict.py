"""Strict reading of small data files (cards, specs, configs): unknown keys are errors that suggest the nearest one."""

import re
import tomllib
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from ib_data.errors import DataError, IbDataError, did_you_mean, quoted

T = TypeVar("T")
_MISSING = object()
# Real files have a few kilobytes and three levels. The time of tomllib grows with the square of the depth (9 s for
# 30,000 dotted keys), and some hundred brackets overflow Python's stack.
MAX_TOML_BYTES = 2**20
MAX_TOML_DEPTH = 16
# Comments and the four kinds of strings (closed or not), then brackets, then dotted keys.
_TOML_PARTS = re.compile(
    r"""(?P<text>\#[^\n]*|"{3}(?:[^\\]|\\.)*?(?:"{3,5}|\Z)|'{3}.*?(?:'{3,5}|\Z)|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?)"""
    r"""|(?P<open>[\[{])|(?P<close>[\]}])|(?P<dot>\.)|(?P<other>[=,\n])""",
    re.DOTALL,
)
# A type hint of a field that `Table.into` reads: an integer from 0.
Count: TypeAlias = Annotated[int, "from 0"]
_WORDS = {str: "a text", int: "an integer", float: "a number", bool: "true or false", list: "a list", dict: "a table"}


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping read from `file` of `owner` (a dataset, a mixture), with typed access and errors that name the place.

    `path` is the place of this table inside the file, such as `files[2]`. `remedy` is for files that nobody writes by
    hand: it ends every error, instead of a suggested name. `ask` ends errors about missing keys and wrong types.
    """

    values: Mapping[str, Any]
    owner: str
    file: str
    path: str = ""
    remedy: str | None = None
    ask: str | None = None

    @classmethod
    def of(
        cls, value: object, owner: str, file: str, path: str = "", remedy: str | None = None, ask: str | None = None
    ) -> "Table":
        """The table `value`; DataError if it is not a mapping with text keys."""
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            problem = f"expected a table, found {quoted(value)}"
            raise DataError(owner, problem, file=file, row=path or None, remedy=remedy or ask)
        return cls(value, owner, file, path, remedy, ask)

    def only(self, known: Collection[str]) -> "Table":
        """This table, after checking that all keys are in `known`; DataError otherwise."""
        for key in self.values:
            if key not in known:
                raise self.error(f"unknown key {quoted(key)}", did_you_mean(key, known))
        return self

    def error(self, problem: str, remedy: str | None = None) -> DataError:
        """A DataError that names the place of this table."""
        return DataError(self.owner, problem, file=self.file, row=self.path or None, remedy=self.remedy or remedy)

    def get(self, key: str, kind: type[T], default: Any = _MISSING) -> T:
        """`values[key]`, which must be a non-null `kind`; `default`, if given, for an absent key."""
        value = self.values.get(key, _MISSING)
        if value is _MISSING:
            if default is _MISSING:
                raise self.error(f"key {key!r} is missing (expected {_WORDS.get(kind, kind.__name__)})", self.ask)
            return default  # type: ignore[no-any-return]
        return self._checked(key, value, kind)

    def one_of(self, key: str, allowed: Collection[str]) -> str:
        """The text at `key`, which must be one of `allowed`."""
        return self._one_of(key, self.get(key, str), allowed)

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts at `key`; empty if absent."""
        items: list[object] = self.get(key, list, [])
        if not all(isinstance(item, str) for item in items):
            raise self.error(f"{key!r}: expected a list of texts, found {quoted(items)}")
        return tuple(str(item) for item in items)

    def tables(self, key: str) -> "list[Table]":
        """The list of tables at `key`; empty if absent."""
        items: list[object] = self.get(key, list, [])
        return [self._inner(item, f"{key}[{i}]") for i, item in enumerate(items)]

    def table(self, key: str) -> "Table":
        """The table at `key`; empty if absent."""
        return self._inner(self.get(key, dict, {}), key)

    def named(self, read: "Callable[[Table], T]") -> dict[str, T]:
        """`read` applied to every value of this table, each itself a table, by key."""
        return {key: read(self._inner(value, key)) for key, value in self.values.items()}

    def into(self, cls: type[T], **given: Any) -> T:
        """This table as an instance of the dataclass `cls`, read by its type hints; `given` sets fields directly.

        Hints are str, int, float, bool, Count, Literal of texts, dataclasses, Any, and tuple[X, ...], Mapping[str, X]
        and X | None of these; a field with a default may be absent. Raises DataError for an unknown or missing key, a
        null and a value of another type, with its path, such as `templates[3].lengths.num_renders`.
        """
        readers, needed = _readers_of(cls)  # type: ignore[arg-type]  # a class is hashable, whatever mypy says
        found = dict(given)
        for key, value in self.values.items():
            if key not in readers:
                self.only(readers)
            if key not in given:
                found[key] = readers[key](self, key, value)
        for key, kind in needed.items():
            if key not in found:
                self.get(key, kind)
        return cls(**found)

    def _checked(self, key: str, value: object, kind: type[T]) -> T:
        """`value`, found at `key`, which must be a non-null `kind`."""
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = self._float(key, value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(f"{key!r}: expected {_WORDS.get(kind, kind.__name__)}, found {quoted(value)}", self.ask)
        return value

    def _one_of(self, key: str, value: object, allowed: Collection[str]) -> str:
        text = self._checked(key, value, str)
        if text not in allowed:
            raise self.error(f"{key!r}: unknown value {quoted(text)}", did_you_mean(text, allowed))
        return text

    def _count(self, key: str, value: object) -> int:
        number = self._checked(key, value, int)
        if number < 0:
            raise self.error(f"{key!r}: expected an integer from 0, found {quoted(number)}", self.ask)
        return number

    def _float(self, key: str, value: int) -> float:
        try:
            return float(value)
        except OverflowError:
            raise self.error(f"{key!r}: expected a number below 1.8e308, found {quoted(value)}") from None

    def _inner(self, value: object, place: str) -> "Table":
        path = f"{self.path}.{place}" if self.path else place
        return Table.of(value, self.owner, self.file, path, self.remedy, self.ask)


# (table, key, value) -> the value, checked against a type hint.
_Reader: TypeAlias = Callable[[Table, str, Any], Any]


@cache
def _readers_of(cls: type) -> tuple[dict[str, _Reader], dict[str, type]]:
    """A reader for every field of a dataclass, and the JSON types of the fields without a default."""
    hints = typing.get_type_hints(cls, include_extras=True)
    known = fields(cls)
    readers = {field.name: _reader_of(hints[field.name]) for field in known}
    needed = [field.name for field in known if field.default is field.default_factory is MISSING]
    return {name: read for name, (_, read) in readers.items()}, {name: readers[name][0] for name in needed}


def _reader_of(hint: Any) -> tuple[type, _Reader]:
    """The JSON type for a type hint, and the reader of such values."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return object, lambda _table, _key, value: value
    if hint == Count:
        return int, Table._count
    if origin is Literal:
        return str, lambda table, key, value: table._one_of(key, value, args)
    if origin in (types.UnionType, typing.Union):  # X | None
        return _reader_of(args[0])
    if origin is tuple:
        return list, _reader_of_items(_reader_of(args[0])[1])
    if origin in (Mapping, dict):
        return dict, _reader_of_values(_reader_of(args[1])[1])
    if isinstance(hint, type) and is_dataclass(hint):
        return dict, lambda table, key, value: table._inner(table._checked(key, value, dict), key).into(hint)
    return hint, lambda table, key, value: value if type(value) is hint else table._checked(key, value, hint)


def _reader_of_items(read: _Reader) -> _Reader:
    def read_items(table: Table, key: str, value: Any) -> tuple[Any, ...]:
        items: list[Any] = table._checked(key, value, list)
        return tuple([read(table, f"{key}[{i}]", item) for i, item in enumerate(items)])

    return read_items


def _reader_of_values(read: _Reader) -> _Reader:
    def read_values(table: Table, key: str, value: Any) -> dict[str, Any]:
        inner = table._inner(table._checked(key, value, dict), key)
        return {name: read(inner, name, item) for name, item in inner.values.items()}

    return read_values


def read_text(path: Path, most_bytes: int | None = None) -> str:
    """The text of a user's file, without a byte order mark and with `\\n` line ends.

    Raises IbDataError for a folder, for more than `most_bytes` and for text that is not UTF-8; FileNotFoundError if
    there is no such file.
    """
    try:
        with path.open("rb") as file:
            data = file.read() if most_bytes is None else file.read(most_bytes + 1)
        text = data.decode("utf-8-sig")
    except IsADirectoryError as error:
        raise IbDataError(f"{path}: expected a file, found a folder; name a file in it") from error
    except UnicodeDecodeError as error:
        raise IbDataError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start})") from error
    if most_bytes is not None and len(data) > most_bytes:
        raise IbDataError(f"{path}: expected at most {most_bytes:,} bytes, found more; is it another file?")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_toml(text: str) -> dict[str, Any]:
    """The values in a TOML text.

    Raises ValueError with a one-line message if it is not TOML, is larger than MAX_TOML_BYTES, or is nested deeper than
    MAX_TOML_DEPTH (brackets, or parts of a dotted key).
    """
    if len(text) > MAX_TOML_BYTES:
        raise ValueError(f"expected at most {MAX_TOML_BYTES:,} characters of TOML, found {len(text):,}")
    _require_shallow(text)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a TOMLDecodeError, or an integer with too many digits
        raise ValueError(f"not TOML: {error}") from error


def _require_shallow(text: str) -> None:
    """Raise ValueError for brackets or dotted keys that are nested too deeply for a parser."""
    depth = dots = 0
    for part in _TOML_PARTS.finditer(text):
        kind = part.lastgroup
        if kind != "text":
            depth += (kind == "open") - (kind == "close")
            dots = dots + 1 if kind == "dot" else 0
        if depth > MAX_TOML_DEPTH or dots >= MAX_TOML_DEPTH:
            line = text.count("\n", 0, part.start()) + 1
            raise ValueError(f"nested too deeply; write at most {MAX_TOML_DEPTH} levels (at line {line})")
