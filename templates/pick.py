"""Samples and annotations of a built split, read through its index."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ib_data.builders.index import Extent, annotation_of
from ib_data.builders.manifest import INDEX, Manifest, read_index, read_manifest
from ib_data.builders.reader import extent_of, read_sample
from ib_data.cards import Card
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.sample import Annotation, Sample

_COLUMNS = ["key", "shard", "ordinal", *Extent.__dataclass_fields__]
# What templates cannot show (`rationales`, `extra`) is not read: it is most of the text of some datasets.
_RENDERED = [name for name in Annotation.__dataclass_fields__ if name not in ("rationales", "extra")]
_ROWS_AT_ONCE = 8192


class NotBuiltError(IbDataError):
    """A dataset or a split of it that is not built here; the message says what to run."""


def built_split(home: Home, card: Card, split: str | None = None) -> Manifest:
    """The manifest of `split`, by default of the first built one: the split the paper used, then the others.

    Raises NotBuiltError that says what to build where it is not there. A view reads the shards of its base.
    """
    name = card.stored_as
    order = [card.used_split, *(s for s in card.splits if s != card.used_split)]
    found = {s: manifest for s in order if (manifest := read_manifest(home.split(name, s), name))}
    if not found:
        of = f", whose shards {card.name} reads," if card.view_of else ""
        raise NotBuiltError(f"{name}{of} is not built here; run `ib-data build {name}`")
    if split is None:
        return next(iter(found.values()))
    if split not in found:
        raise NotBuiltError(
            f"{name}: split {split!r} is not built here (built: {', '.join(found)}); "
            f"run `ib-data build {name} --split {split}`"
        )
    return found[split]


def first_samples(home: Home, card: Card, split: str, n: int) -> list[tuple[Sample, bytes | None]]:
    """The first `n` samples of a built split in the order of their keys, each with the bytes of its image or clip.

    The bytes are None in a build without media. Raises IbDataError where the split is not built, DataError for a shard
    that does not hold what the index says.
    """
    manifest = built_split(home, card, split)
    folder = home.split(card.stored_as, manifest.split)
    keys = sorted(set(read_index(folder, manifest, ["key"])["key"].to_pylist()))[:n]
    if not keys:
        remedy = 'see `ib-data sql "from drops"` for the reasons'
        raise IbDataError(f"{card.name}: split {manifest.split!r} is built, but holds no sample; {remedy}")
    chosen = read_index(folder, manifest, _COLUMNS)
    rows = {row["key"]: row for row in chosen.filter(pc.is_in(chosen["key"], pa.array(keys))).to_pylist()}
    return [read_sample(folder / rows[key]["shard"], extent_of(rows[key])) for key in keys]


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
    for batch in _batches(home.split(card.stored_as, manifest.split) / INDEX, manifest):
        first, last = np.searchsorted(wanted, [start, start + batch.num_rows])
        taken = batch.take(pa.array(wanted[first:last] - start)).to_pylist() if last > first else []
        yield from zip(rows[first:last], map(annotation_of, taken), strict=True)
        start += batch.num_rows


def _batches(path: Path, manifest: Manifest) -> Iterator[pa.RecordBatch]:
    """The rows of an index, some thousands at a time, with the columns that templates can show."""
    remedy = f"build {manifest.dataset} again"
    try:
        with pq.ParquetFile(path) as index:
            found, num_rows = index.schema_arrow.names, index.metadata.num_rows
            if num_rows != manifest.num_annotations or not set(_RENDERED) <= set(found):
                problem = f"expected {manifest.num_annotations} rows as the manifest says, found {num_rows}"
                raise DataError(manifest.dataset, problem, file=str(path), remedy=remedy)
            yield from index.iter_batches(batch_size=_ROWS_AT_ONCE, columns=_RENDERED)
    except FileNotFoundError as error:
        raise DataError(manifest.dataset, "index is missing", file=str(path), remedy=remedy) from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        problem = f"index cannot be read: {error}"
        raise DataError(manifest.dataset, problem, file=str(path), remedy=remedy) from error
