"""Samples and annotations of a built split, read through its index."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ib_data.cards import Card
from ib_data.errors import DataError, IbDataError, UnknownNameError
from ib_data.home import Home
from ib_data.sample import Annotation, Sample
from ib_data.stored.index import Extent, annotation_of, another_owner
from ib_data.stored.manifest import INDEX, Manifest, read_splits
from ib_data.stored.sample_reader import extent_of, read_sample

_PLACES = ["key", "shard", "ordinal", *Extent.__dataclass_fields__]
# What templates cannot show (`rationales`, `extra`) is not read: it is most of the text of some datasets.
_RENDERED = [name for name in Annotation.__dataclass_fields__ if name not in ("rationales", "extra")]
_ROWS_AT_ONCE = 8192
TAR_BLOCK = 512  # bytes of the header before a member


class NotBuiltError(IbDataError):
    """A dataset or a split of it that is not built here; the message says what to run."""


class NoSplitError(NotBuiltError):
    """A split that the dataset does not have, so that no build brings it; the message names those that it has."""

    exit_code = UnknownNameError.exit_code


def built_split(home: Home, card: Card, split: str | None = None) -> Manifest:
    """The manifest of `split`, by default of the first built one: the split the paper used, then the others.

    Raises NoSplitError for a split that the dataset does not have, and NotBuiltError that says what to build where it
    is not there, DataError for a manifest that cannot be used (one of another split changes nothing). A view reads the
    shards of its base.
    """
    name = card.stored_as
    order = [card.used_split, *(s for s in card.splits if s != card.used_split)]
    if split is not None and split not in card.splits:
        raise NoSplitError(f"{card.name} has no split {split!r}; it has {', '.join(card.splits)}")
    found = read_splits(home, name, order)
    if not found:
        of = f", whose shards {card.name} reads," if card.view_of else ""
        raise NotBuiltError(f"{name}{of} is not built here; run `ib-data build {name}`")
    if split is not None and split not in found:
        raise NotBuiltError(
            f"{name}: split {split!r} is not built here (built: {', '.join(found)}); "
            f"run `ib-data build {name} --split {split}`"
        )
    chosen = next(iter(found.values())) if split is None else found[split]
    if isinstance(chosen, DataError):
        raise chosen
    return chosen


def first_samples(
    home: Home, card: Card, split: str, n: int, *, media: bool = True
) -> Iterator[tuple[Sample, bytes | None]]:
    """The first `n` samples of a built split in the order of their keys, each with the bytes of its image or clip.

    One is read at a time, as it is asked for. The bytes are None in a build without media; without `media` they are not
    read. Raises IbDataError where the split is not built or empty, DataError for a shard that does not hold what the
    index says.
    """
    manifest = built_split(home, card, split)
    for row in first_rows(home, card, manifest, n):
        yield read_row(home, card, manifest, row, media=media)


def first_rows(home: Home, card: Card, manifest: Manifest, n: int) -> list[dict[str, Any]]:
    """The key and the place of each of the first `n` samples of a built split, for `read_row`.

    Raises IbDataError where the split is empty, DataError for an index that is missing, damaged or of another build.
    """
    rows = _first_rows(home.split(card.stored_as, manifest.split), manifest, n)
    if not rows:
        remedy = 'see `ib-data sql "from drops"` for the reasons'
        raise IbDataError(f"{card.name}: split {manifest.split!r} is built, but holds no sample; {remedy}")
    return rows


def read_row(
    home: Home, card: Card, manifest: Manifest, row: dict[str, Any], *, media: bool = True
) -> tuple[Sample, bytes | None]:
    """One of `first_rows` with the bytes of its image or clip; without `media` they are not read.

    Raises DataError for a shard that does not hold what the index says.
    """
    extent = extent_of(row)
    shard = home.split(card.stored_as, manifest.split) / row["shard"]
    return read_sample(shard, extent if media else _text_only(extent))


def _first_rows(folder: Path, manifest: Manifest, n: int) -> list[dict[str, Any]]:
    """The rows of the `n` first keys, one of each sample. No more than these and one piece of the index are held."""
    first: pa.Table | None = None
    for batch in _batches(folder / INDEX, manifest, _PLACES):
        rows = pa.Table.from_batches([batch])
        rows = rows.filter(pc.equal(rows["ordinal"], 0))
        if first is not None:
            if first.num_rows == n:
                rows = rows.filter(pc.less(rows["key"], first["key"][n - 1]))
            if not rows.num_rows:
                continue
            rows = pa.concat_tables([first, rows])
        first = rows.take(pc.sort_indices(rows["key"])[:n])
    return [] if first is None else first.to_pylist()


def _text_only(extent: Extent) -> Extent:
    """The extent of a sample's JSON with its header, as if the sample had no image or clip."""
    start, num_bytes = extent.json_offset - TAR_BLOCK, extent.json_bytes + TAR_BLOCK
    return Extent(offset=start, num_bytes=num_bytes, json_offset=extent.json_offset, json_bytes=extent.json_bytes)


def spread_rows(num_rows: int, limit: int) -> list[int]:
    """Row numbers from 0, ascending: all `num_rows` of them, or `limit` evenly spread over them."""
    num_taken = min(num_rows, limit)
    return [place * num_rows // num_taken for place in range(num_taken)]


def annotations_at(home: Home, card: Card, manifest: Manifest, rows: list[int]) -> Iterator[tuple[int, Annotation]]:
    """The annotations in these rows of a split's index (ascending, from 0), each with its row; no shard is read.

    They come without `rationales` and `extra`. The index is read in pieces: 14 million rows need no more memory than
    10,000. Raises DataError for an index that is missing, damaged or of another build.
    """
    if not rows:
        return
    start, wanted = 0, np.asarray(rows, dtype=np.int64)
    for batch in _batches(home.split(card.stored_as, manifest.split) / INDEX, manifest, _RENDERED):
        first, last = np.searchsorted(wanted, [start, start + batch.num_rows])
        taken = batch.take(pa.array(wanted[first:last] - start)).to_pylist() if last > first else []
        yield from zip(rows[first:last], map(annotation_of, taken), strict=True)
        start += batch.num_rows


def _batches(path: Path, manifest: Manifest, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of an index, some thousands at a time, with some of its columns."""
    remedy = f"build {manifest.dataset} again"
    try:
        with pq.ParquetFile(path) as index:
            found, num_rows = index.schema_arrow.names, index.metadata.num_rows
            if num_rows != manifest.num_annotations or not set(columns) <= set(found):
                problem = f"expected {manifest.num_annotations} rows as the manifest says, found {num_rows}"
                raise DataError(manifest.dataset, problem, file=str(path), remedy=remedy)
            if other := another_owner(index.metadata, manifest.dataset, manifest.split):
                raise DataError(manifest.dataset, f"index is of {other}", file=str(path), remedy=remedy)
            yield from index.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns)
    except FileNotFoundError as error:
        raise DataError(manifest.dataset, "index is missing", file=str(path), remedy=remedy) from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        problem = f"index cannot be read: {error}"
        raise DataError(manifest.dataset, problem, file=str(path), remedy=remedy) from error
