"""Opens `index.parquet` and `drops.parquet` of a built split, and reports what is wrong with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ib_data.errors import DataError
from ib_data.stored.index import DROPS_SCHEMA, SCHEMA, another_owner
from ib_data.stored.manifest import DROPS, INDEX, Manifest

_SCHEMAS = {INDEX: SCHEMA, DROPS: DROPS_SCHEMA}


@contextmanager
def opened(
    path: Path, manifest: Manifest, *, file: str | None = None, remedy: str | None = None
) -> Iterator[pq.ParquetFile]:
    """The index or the drops of the split that `manifest` describes, opened for reading.

    Raises DataError if the file is missing, unreadable, or from another dataset, split, build or version of ib_data,
    and if a read in the block fails. For a copy, `file` and `remedy` replace the location and the remedy in the error.
    """
    try:
        with pq.ParquetFile(path) as parquet:
            if problem := _footer_problem(path.name, parquet.metadata, manifest):
                raise parquet_error(path, manifest, problem, file, remedy)
            yield parquet
    except (pa.ArrowException, OSError, KeyError) as error:
        raise parquet_error(path, manifest, _unreadable(path, error), file, remedy) from error


def parquet_problem(path: Path, manifest: Manifest) -> str | None:
    """What the footer shows to be wrong with the index or the drops, in a few words, or None."""
    try:
        return _footer_problem(path.name, pq.read_metadata(path), manifest)
    except (pa.ArrowException, OSError) as error:
        return _unreadable(path, error)


def parquet_error(
    path: Path, manifest: Manifest, problem: str, file: str | None = None, remedy: str | None = None
) -> DataError:
    """The error for an index or drops file with this problem."""
    remedy = remedy or f"build {manifest.dataset} again"
    return DataError(manifest.dataset, problem, file=file or str(path), remedy=remedy)


def _footer_problem(name: str, metadata: pq.FileMetaData, manifest: Manifest) -> str | None:
    if other := another_owner(metadata, manifest.dataset, manifest.split):
        return f"is of {other}, not of {manifest.dataset}/{manifest.split}"
    if metadata.schema.to_arrow_schema() != _SCHEMAS[name]:
        return "does not have the columns of this version of ib_data"
    expected = manifest.num_annotations if name == INDEX else manifest.num_drops
    if metadata.num_rows != expected:
        return f"expected {expected:,} rows as the manifest says, found {metadata.num_rows:,}"
    return None


def _unreadable(path: Path, error: Exception) -> str:
    if not path.exists():
        return "is missing"
    if isinstance(error, pa.ArrowInvalid) and not _has_footer(path):
        return "is not a Parquet file"
    return f"cannot be read: {error}"


def _has_footer(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return False
    return True
