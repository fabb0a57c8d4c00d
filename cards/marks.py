"""Marks: what a card says about the rows of a file, to detect a file of another split, version or dataset."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ib_data.errors import quoted
from ib_data.strict import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the rows of an official file have under `key`, if they have the key.

    Either `value`, or a whole number in `span` (first, last), or a text matching `like` (`words` describes it); if none
    of the three is set, no row has the key. `is_needed`: every row has the key. `is_hint`: not all official rows were
    seen, so another value proves nothing.
    """

    key: str
    value: str | int | None = None
    span: tuple[int, int] | None = None
    like: re.Pattern[str] | None = None
    words: str = ""
    is_needed: bool = False
    is_hint: bool = False

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row could be an official one, by this key."""
        if self.key not in row or self.is_needed:
            return self.key in row or not self.is_needed
        found = row[self.key]
        if self.span:
            return type(found) is int and self.span[0] <= found <= self.span[1]
        if self.like:
            return isinstance(found, str) and self.like.fullmatch(found) is not None
        return self.value is not None and type(found) is type(self.value) and bool(found == self.value)

    def fault(self, row: Mapping[str, Any]) -> str:
        """What is wrong with a row for which `holds` is false."""
        if self.is_needed:
            return f"key {self.key!r} is missing"
        found = f"found {quoted(row[self.key])}"
        if self.span:
            return f"{self.key!r}: expected a whole number from {self.span[0]} to {self.span[1]}, {found}"
        expected = self.words if self.like else "no such key" if self.value is None else repr(self.value)
        return f"{self.key!r}: expected {expected}, {found}"


def read_marks(file: Table) -> Mapping[str, tuple[Mark, ...]]:
    """The table `marks` of a file: its marks, by the name of the list that holds the rows.

    `rows` are the rows of the file itself, `top` is the object around its lists. Values: a text, number or true is the
    value itself; [FIRST, LAST] a span of whole numbers; null means no such key; {needed: true} any value;
    {value: VALUE} and {like: REGEX, words: DESCRIPTION} may add `hint: true`. DataError for anything else.
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
