"""Rows that refer to others: tables of rows by a key, texts by an index, and files that must belong together."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

from ib_data.builders.source.files import Files
from ib_data.strict import Table

K = TypeVar("K")


def by_key(rows: Iterable[Table], key: Callable[[Table], K], name: Callable[[K], str]) -> dict[K, Table]:
    """The rows by a key that no two have; DataError, with the `name` of the key, for a second row of one key."""
    found: dict[K, Table] = {}
    for row in rows:
        value = key(row)
        if value in found:
            raise row.error(f"{name(value)} stands twice", "fetch the official file again")
        found[value] = row
    return found


def require_common(files: Files, role: str, known: Collection[Any], wanted: Collection[Any], problem: str) -> None:
    """DataError that the file of `role` is a wrong one where it has none of the keys that are wanted of it."""
    if wanted and not any(key in known for key in wanted):
        raise files.wrong_file(role, problem)


def text_at(row: Table, key: str, place: object, texts: Sequence[str]) -> str:
    """The text that an index, found under `key` of a row, points to; DataError for what is no index of `texts`."""
    if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < len(texts):
        problem = f"{key!r}: {place!r} is none of the {len(texts):,} texts"
        raise row.error(problem, "the file is not whole: fetch it again")
    return texts[place]


def index_of(row: Table, key: str, count: int, what: str) -> int | None:
    """The index of one of `count` things that a row gives under `key`, None where it gives none."""
    index: int | None = row.get(key, int, None)
    if index is not None and not 0 <= index < count:
        raise row.error(f"{key} {index} is none of the {count} {what}")
    return index
