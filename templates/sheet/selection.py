"""Selects the samples of a built split to show: the first or random ones, of all or of those asked for."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ib_data.errors import IbDataError
from ib_data.keyed import keyed_below
from ib_data.stored.built_split import BuiltSplit
from ib_data.stored.sample_ref import SampleRef

# From a dataset (or view) and a split to the ids of the wanted annotations, by sample key.
Matches = Callable[[str, str], Mapping[str, Collection[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The samples to show: those with these `keys`, those with annotations that `matches` finds, or all.

    If both are given, a sample must satisfy both. `is_random` draws by seed; otherwise the first ones are taken.
    """

    is_random: bool = False
    keys: tuple[str, ...] = ()
    matches: Matches | None = None


FIRST = Selection()


def selected(
    built: BuiltSplit, name: str, selection: Selection, n: int, seed: int
) -> Iterator[tuple[SampleRef, Collection[str] | None]]:
    """At most `n` samples in key order, each with the ids of its wanted annotations, or None for all of them.

    `name` is the name of the dataset or view. Raises IbDataError if nothing matches, and for a key that is not in the
    split.
    """
    if selection == FIRST:
        yield from ((ref, None) for ref in built.refs(n))
        return
    ids = selection.matches(name, built.split) if selection.matches else None
    rows = _first_rows(built, selection.keys or ids)
    if selection.keys:
        _require_keys(built, name, selection.keys, rows)
        rows = rows if ids is None else _first_rows(built, [key for key in selection.keys if key in ids])
    if not len(rows):
        raise IbDataError(f"{name}/{built.split}: no annotation satisfies the condition of --where")
    chosen = rows[_drawn(len(rows), n, seed)] if selection.is_random else rows[:n]
    for ref in built.refs_at(chosen.tolist()):
        yield ref, None if ids is None else ids[ref.key]


def _first_rows(built: BuiltSplit, keys: Collection[str] | None) -> NDArray[np.int64]:
    """The first row of each sample, ascending; with `keys`, only of those samples."""
    wanted = None if keys is None else pa.array(sorted(keys), type=pa.string())
    start, found = 0, [np.zeros(0, dtype=np.int64)]
    for batch in built.batches(("ordinal",) if wanted is None else ("ordinal", "key")):
        is_first = pc.equal(batch.column("ordinal"), 0)
        if wanted is not None:
            is_first = pc.and_(is_first, pc.is_in(batch.column("key"), value_set=wanted))
        found.append(np.flatnonzero(is_first.to_numpy(zero_copy_only=False)) + start)
        start += batch.num_rows
    return np.concatenate(found)


def _require_keys(built: BuiltSplit, name: str, keys: Collection[str], rows: NDArray[np.int64]) -> None:
    """Raise IbDataError for the first key without a row."""
    has = {ref.key for ref in built.refs_at(rows.tolist())}
    for key in keys:
        if key not in has:
            remedy = f"`ib-data sql \"SELECT key FROM samples WHERE dataset = '{built.dataset}'\"` lists them"
            raise IbDataError(f"{name}/{built.split} has no sample {key!r}; {remedy}")


def _drawn(count: int, n: int, seed: int) -> list[int]:
    """`n` distinct numbers below `count`, ascending; all of them if `count` is smaller."""
    if n >= count:
        return list(range(count))
    found: set[int] = set()
    draw = 0
    while len(found) < n:
        found.add(keyed_below(count, seed, "show/random", draw))
        draw += 1
    return sorted(found)
