"""What a card says of the rows of a file, so that the file of another split, version or dataset is known as one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ib_data.errors import quoted
from ib_data.strict import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What every row of an official file says under `key`, if it has the key at all.

    The value itself, or a whole number of `span` (first, last), or a text `like` a pattern, in words `words`; with none
    of the three no row has the key. `is_needed`: every row has the key. `is_hint`: not every official row was seen, so
    that another value proves nothing.
    """

    key: str
    value: str | int | None = None
    span: tuple[int, int] | None = None
    like: re.Pattern[str] | None = None
    words: str = ""
    is_needed: bool = False
    is_hint: bool = False

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has no such key, or what an official one has."""
        if self.key not in row or self.is_needed:
            return self.key in row or not self.is_needed
        found = row[self.key]
        if self.span:
            return type(found) is int and self.span[0] <= found <= self.span[1]
        if self.like:
            return isinstance(found, str) and self.like.fullmatch(found) is not None
        return self.value is not None and type(found) is type(self.value) and bool(found == self.value)

    def fault(self, row: Mapping[str, Any]) -> str:
        """What is wrong with a row for which the mark does not hold."""
        if self.is_needed:
            return f"key {self.key!r} is missing"
        found = f"found {quoted(row[self.key])}"
        if self.span:
            return f"{self.key!r}: expected a whole number from {self.span[0]} to {self.span[1]}, {found}"
        expected = self.words if self.like else "no such key" if self.value is None else repr(self.value)
        return f"{self.key!r}: expected {expected}, {found}"


def read_marks(file: Table) -> Mapping[str, tuple[Mark, ...]]:
    """The table `marks` of a file: the marks of its rows, by the name of their list.

    `rows` are the rows of the file itself, `top` is the object around its lists. A text, a number or true is the value
    itself, [FIRST, LAST] a span of whole numbers, null the lack of the key; {needed: true} the key alone;
    {value: VALUE} and {like: REGEX, words: TEXT}, a pattern and what it means, may have `hint: true`. DataError for
    anything else.
    """
    found = {}
    for name, keys in file.table("marks").values.items():
        table = Table.of(keys, file.owner, file.file, f"{file.path}.marks.{name}")
        found[name] = tuple(_mark(table, key) for key in table.values)
    return found


def _mark(table: Table, key: str) -> Mark:
    value = table.values[key]
    if value is None or isinstance(value, str | int):
        return Mark(key=key, value=value)
    if isinstance(value, list) and len(value) == 2 and all(type(end) is int for end in value) and value[0] <= value[1]:
        return Mark(key=key, span=(value[0], value[1]))
    if isinstance(value, dict):
        return _described(table.table(key).only(("value", "like", "words", "hint", "needed")), key)
    expected = "a text, a whole number, true, null, [FIRST, LAST] or a table with needed, value or like"
    raise table.error(f"{key!r}: expected {expected}, found {quoted(value)}")


def _described(table: Table, key: str) -> Mark:
    if table.get("needed", bool, False):
        return Mark(key=key, is_needed=True)
    is_hint = table.get("hint", bool, False)
    if "like" not in table.values:
        value = table.values.get("value")
        if not isinstance(value, str | int):
            raise table.error(f"'value': expected a text, a whole number or true, found {quoted(value)}")
        return Mark(key=key, value=value, is_hint=is_hint)
    try:
        like = re.compile(table.get("like", str))
    except re.error as error:
        raise table.error(f"{quoted(table.values['like'])} is no regular expression ({error})") from error
    return Mark(key=key, like=like, words=table.get("words", str), is_hint=is_hint)
