"""Looking up rows by key and texts by index, and checking that two files belong together."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

from ib_data.builders.source.files import Files
from ib_data.strict import Table

K = TypeVar("K")


def by_key(rows: Iterable[Table], key: Callable[[Table], K], name: Callable[[K], str]) -> dict[K, Table]:
    """The rows by a unique key; DataError, with the `name` of the key, if two rows share one."""
    found: dict[K, Table] = {}
    for row in rows:
        value = key(row)
        if value in found:
            raise row.error(f"{name(value)} occurs twice", "fetch the official file again")
        found[value] = row
    return found


def require_common(files: Files, role: str, known: Collection[Any], wanted: Collection[Any], problem: str) -> None:
    """Raise DataError for a wrong file of `role` if it has none of the `wanted` keys."""
    if wanted and not any(key in known for key in wanted):
        raise files.wrong_file(role, problem)


def text_at(row: Table, key: str, place: object, texts: Sequence[str]) -> str:
    """`texts[place]`, for an index found at `key` of a row; DataError for an invalid index."""
    if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < len(texts):
        problem = f"{key!r}: {place!r} is not one of the {len(texts):,} texts"
        raise row.error(problem, "the file is incomplete: fetch it again")
    return texts[place]


def index_of(row: Table, key: str, count: int, what: str) -> int | None:
    """The index at `key` of a row, or None; DataError unless it is below `count`."""
    index: int | None = row.get(key, int, None)
    if index is not None and not 0 <= index < count:
        raise row.error(f"{key} {index} is not one of the {count} {what}")
    return index
