"""The file that `Rows` maps, made once from an `index.parquet`: one Arrow table of equal batches, and a checksum.

Its name contains the checksum of the index, so a new build gets a new file and the previous one is removed. You may
delete these files at any time.
"""

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from ib_data.errors import DataError
from ib_data.file_state import sha256_of
from ib_data.replacing import replacing
from ib_data.stored.index_file import parquet_error
from ib_data.stored.manifest import INDEX, Manifest
from ib_data.stored.visible_fields import ABSENT, FIELD_COLUMNS, field_masks, list_lengths

# Part of the file's name: incremented whenever its contents or its layout change.
VERSION = 3
# Rows per batch: bounds the memory of a conversion, however long the index is.
BATCH_ROWS = 65_536
# The numbers in a row. `*_start` count from `offset`, `fields` is a mask over FIELDS, `turns` is the history's length.
RECORD = np.dtype(
    [
        ("offset", "<i8"),
        ("num_bytes", "<i4"),
        ("json_start", "<i4"),
        ("json_bytes", "<i4"),
        ("media_start", "<i4"),
        ("media_bytes", "<i4"),
        ("shard", "<i4"),
        ("ordinal", "<i4"),
        ("fields", "<u2"),
        ("turns", "<u2"),
    ]
)
RECORD_STRUCT = Struct("<q7i2H")
_SCHEMA = pa.schema(
    [
        ("record", pa.binary(RECORD.itemsize)),
        ("key", pa.string()),
        ("id", pa.string()),
        ("media_sha256", pa.binary(hashlib.sha256().digest_size)),
    ]
)
_NUMBERS = ("offset", "num_bytes", "json_offset", "json_bytes", "media_offset", "media_bytes", "ordinal")
_COLUMNS = list(dict.fromkeys((*_NUMBERS, "shard", "key", "id", "media_sha256", "history", *FIELD_COLUMNS)))
_MOST_BYTES = 2**31 - 1
_CHECKSUM_BYTES = 4
_PIECE_BYTES = 2**20


def open_rows_file(folder: Path, manifest: Manifest, cache: Path) -> pa.Table:
    """The mapped table of the index in `folder`, created if it is missing or damaged in `cache`.

    Batches hold BATCH_ROWS rows, the last one the rest. Raises DataError for an index that is missing, unreadable or
    does not match the manifest, and if the cache cannot be written.
    """
    of_folder = _prefix(folder, manifest, cache)
    path = cache / "indices" / f"{of_folder}{manifest.index_sha256}-{VERSION}.arrow"
    try:
        table = _mapped(path, manifest)
        if table is not None:
            return table
        _require_index(folder / INDEX, manifest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            table = _mapped(path, manifest)  # another process may have made it in the meantime
            if table is None:
                _convert(folder / INDEX, manifest, path)
                table = _mapped(path, manifest)
                _remove_older(path, of_folder)
    except (pa.ArrowInvalid, pa.ArrowTypeError, KeyError) as error:
        raise parquet_error(folder / INDEX, manifest, f"cannot be read: {error}") from error
    except OSError as error:
        remedy = "make room there, or choose another --home"
        raise DataError(
            manifest.dataset, f"the index cannot be cached: {error}", file=str(path), remedy=remedy
        ) from error
    assert table is not None
    return table


def _prefix(folder: Path, manifest: Manifest, cache: Path) -> str:
    """The prefix of a folder's file names; a split built here and a copy of a remote one are different folders."""
    place = hashlib.sha256(os.path.relpath(folder, cache).encode()).hexdigest()[:8]
    return f"{manifest.dataset}-{manifest.split}-{place}-"


def _remove_older(path: Path, of_folder: str) -> None:
    """Remove the files of earlier builds of the folder. A process that has one mapped can still use it."""
    for other in path.parent.iterdir():
        if other.name.startswith(of_folder) and not other.name.startswith(path.stem):
            other.unlink(missing_ok=True)


def _mapped(path: Path, manifest: Manifest) -> pa.Table | None:
    """The table in `path`, or None if it is missing, cut short or altered."""
    try:
        with path.open("rb") as file:
            if not _has_its_checksum(file):
                return None
        with pa.memory_map(str(path)) as mapped:
            whole = mapped.read_buffer()
        table = pa.ipc.open_file(pa.BufferReader(whole.slice(0, whole.size - _CHECKSUM_BYTES))).read_all()
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return table if table.schema == _SCHEMA and table.num_rows == manifest.num_annotations else None


def _has_its_checksum(file: BinaryIO) -> bool:
    """Whether the last bytes are the CRC of the rest. Takes 0.1 s for the 500 MB of 5 million rows."""
    num_bytes = os.fstat(file.fileno()).st_size - _CHECKSUM_BYTES
    return num_bytes > 0 and _checksum(file, num_bytes) == file.read(_CHECKSUM_BYTES)


def _checksum(file: BinaryIO, num_bytes: int) -> bytes:
    found, left = 0, num_bytes
    while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
        found = zlib.crc32(piece, found)
        left -= len(piece)
    return found.to_bytes(_CHECKSUM_BYTES, "little")


def _require_index(index: Path, manifest: Manifest) -> None:
    try:
        found = sha256_of(index)
    except FileNotFoundError as error:
        raise parquet_error(index, manifest, "is missing") from error
    except OSError as error:
        raise parquet_error(index, manifest, f"cannot be read: {error}") from error
    if found != manifest.index_sha256:
        problem = f"is damaged or of another build: expected sha256 {manifest.index_sha256}, found {found}"
        raise parquet_error(index, manifest, problem)


def _convert(index: Path, manifest: Manifest, path: Path) -> None:
    num_rows = 0
    with replacing(path, is_locked=True) as part:
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            for table in _tables(index):
                writer.write_batch(_batch(table, index, manifest))
                num_rows += table.num_rows
        if num_rows != manifest.num_annotations:
            problem = f"has {num_rows:,} rows where the manifest says {manifest.num_annotations:,}"
            raise parquet_error(index, manifest, problem)
        with part.open("r+b") as file:
            file.write(_checksum(file, os.fstat(file.fileno()).st_size))
    pa.default_memory_pool().release_unused()  # frees 160 MB after 5 million rows


def _tables(index: Path) -> Iterator[pa.Table]:
    """The rows of an index as tables of BATCH_ROWS rows; the last one holds the rest."""
    with pq.ParquetFile(index) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=_COLUMNS):
            yield pa.Table.from_batches([batch])


def _batch(table: pa.Table, index: Path, manifest: Manifest) -> pa.RecordBatch:
    numbers = {name: pc.fill_null(table.column(name), ABSENT).to_numpy() for name in _NUMBERS}
    if numbers["num_bytes"].max() > _MOST_BYTES:
        raise parquet_error(index, manifest, f"names a sample of more than {_MOST_BYTES:,} bytes")
    names = pa.array([shard.name for shard in manifest.shards], pa.string())
    shards = pc.index_in(table.column("shard"), value_set=names)
    if shards.null_count:
        raise parquet_error(index, manifest, "names a shard that is not in the manifest")
    records = np.zeros(table.num_rows, dtype=RECORD)
    for name in ("offset", "num_bytes", "json_bytes", "media_bytes", "ordinal"):
        records[name] = numbers[name]
    records["json_start"] = numbers["json_offset"] - numbers["offset"]
    has_media = numbers["media_offset"] != ABSENT
    records["media_start"] = np.where(has_media, numbers["media_offset"] - numbers["offset"], ABSENT)
    records["shard"] = shards.to_numpy()
    records["fields"] = field_masks(table)
    records["turns"] = np.minimum(list_lengths(table.column("history")), np.iinfo(np.uint16).max)
    digests = [digest and bytes.fromhex(digest) for digest in table.column("media_sha256").to_pylist()]
    columns = [
        pa.FixedSizeBinaryArray.from_buffers(_SCHEMA.field("record").type, len(records), [None, pa.py_buffer(records)]),
        table.column("key").combine_chunks(),
        table.column("id").combine_chunks(),
        pa.array(digests, _SCHEMA.field("media_sha256").type),
    ]
    return pa.record_batch(columns, schema=_SCHEMA)
