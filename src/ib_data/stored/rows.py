"""The index of a built split as a memory-mapped file: where each annotation is, and which fields templates see.

`index.parquet` cannot be mapped, so its first use writes what streaming needs into one Arrow file under
`cache/indices`, shared by all processes of a machine. For 5 million rows a process needs 4 MB of its own and 0.1 s to
start.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ib_data.stored.conversations import conversation_ends
from ib_data.stored.index import Extent
from ib_data.stored.manifest import Manifest
from ib_data.stored.rows_file import BATCH_ROWS, RECORD, RECORD_STRUCT, open_rows_file
from ib_data.stored.store import Place
from ib_data.stored.visible_fields import ABSENT, FIELDS

_Int64s = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """The index of the built split in `folder`; the mapped file is under `cache`. Rows count from 0.

    The first use raises DataError for an index that is missing, damaged or does not match the manifest. May be
    pickled: another process maps the same file.
    """

    folder: Path
    manifest: Manifest
    cache: Path

    def __reduce__(self) -> tuple[type["Rows"], tuple[Path, Manifest, Path]]:
        return Rows, (self.folder, self.manifest, self.cache)

    @property
    def count(self) -> int:
        """The number of annotations."""
        return self.manifest.num_annotations

    @property
    def num_samples(self) -> int:
        """The number of samples."""
        return self.manifest.num_samples

    def ids(self, row: int) -> tuple[str, str]:
        """The sample key and the annotation id of a row."""
        number, place = divmod(row, BATCH_ROWS)
        key, annotation_id, _ = self._columns[number]
        return key[place].as_py(), annotation_id[place].as_py()

    def take_ids(self, rows: _Int64s) -> tuple[list[str], list[str]]:
        """The sample keys and the annotation ids of `rows`: two lists in the same order."""
        # Not Arrow's `take`: over several batches it first copies the whole column, 40 MB for a million rows.
        found = [self.ids(row) for row in rows.tolist()]
        return [key for key, _ in found], [annotation_id for _, annotation_id in found]

    def place(self, row: int) -> Place:
        """Where the sample of a row is. Raises IndexError for a row out of range."""
        offset, num_bytes, json_start, json_bytes, media_start, media_bytes, shard, *_ = self._record(row)
        has_media = media_start != ABSENT
        extent = Extent(
            offset=offset,
            num_bytes=num_bytes,
            json_offset=offset + json_start,
            json_bytes=json_bytes,
            media_offset=offset + media_start if has_media else None,
            media_bytes=media_bytes if has_media else None,
        )
        return Place(self.folder, self.manifest.shards[shard], extent)

    def ordinal(self, row: int) -> int:
        """The place of a row's annotation within its sample, from 0."""
        return self._record(row)[7]

    def fields(self, row: int) -> frozenset[str]:
        """The FIELDS that templates see of the annotation in a row."""
        return self._field_sets[self._record(row)[-2]]

    def media_sha256(self, row: int) -> str | None:
        """The checksum of a row's image or clip in hex, or None in a build without media."""
        number, place = divmod(row, BATCH_ROWS)
        digest = self._columns[number][2][place].as_py()
        return None if digest is None else digest.hex()

    @cached_property
    def samples(self) -> _Int64s:
        """The first row of each sample, and the number of rows as the last item: shape (num_samples + 1,).

        The rows of a sample are consecutive. Takes 8 bytes per sample in this process.
        """
        starts = [np.flatnonzero(of["ordinal"] == 0) + first for first, of in self._records()]
        return np.concatenate([*starts, np.array([self.count])]).astype(np.int64)

    @cached_property
    def last_turns(self) -> _Int64s:
        """The rows that end a conversation, ascending."""
        if not self.count:
            return np.zeros(0, dtype=np.int64)
        records = list(self._records())
        ordinals = np.concatenate([of["ordinal"] for _, of in records])
        turns = np.concatenate([of["turns"] for _, of in records]).astype(np.int64)
        return conversation_ends(ordinals, turns)

    def _record(self, row: int) -> tuple[int, ...]:
        # 0.1 microseconds for all numbers, half the time of one NumPy scalar each.
        number, place = divmod(row, BATCH_ROWS)
        try:
            return RECORD_STRUCT.unpack_from(self._buffers[number], place * RECORD.itemsize)
        except (IndexError, struct.error) as error:
            raise IndexError(f"there is no row {row}: expected 0 to {self.count - 1}") from error

    def _records(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """The records of each batch, with the number of its first row."""
        return (
            (number * BATCH_ROWS, np.frombuffer(buffer, dtype=RECORD)) for number, buffer in enumerate(self._buffers)
        )

    @cached_property
    def _table(self) -> pa.Table:
        return open_rows_file(self.folder, self.manifest, self.cache)

    @cached_property
    def _buffers(self) -> list[memoryview]:
        """The records of each batch, as stored in the file."""
        chunks = self._table.column("record").chunks
        return [memoryview(chunk.buffers()[1])[: len(chunk) * RECORD.itemsize] for chunk in chunks]

    @cached_property
    def _columns(self) -> list[tuple[pa.Array, pa.Array, pa.Array]]:
        columns = (self._table.column(name).chunks for name in ("key", "id", "media_sha256"))
        return list(zip(*columns, strict=True))

    @cached_property
    def _field_sets(self) -> list[frozenset[str]]:
        return _sets_of_masks()


@cache
def _sets_of_masks() -> list[frozenset[str]]:
    """The field names of each mask. Precomputed, since making one takes longer than the rest of `Rows.fields`."""
    names = list(enumerate(FIELDS))
    return [frozenset(name for bit, name in names if mask >> bit & 1) for mask in range(1 << len(FIELDS))]
