"""The rows of an `index.parquet` as arrays: what the stream needs to find an annotation, in the order of the file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ib_data.builders.index import Extent
from ib_data.builders.manifest import INDEX, Manifest
from ib_data.errors import DataError

_NUMBERS = ("offset", "num_bytes", "json_offset", "json_bytes", "media_offset", "media_bytes", "ordinal")
_ABSENT = -1
# The bits of `Rows.fields`: which values of an annotation a template could use.
FIELDS = ("question", "caption", "context", "statement", "label", "options_text", "ocr_text", "answer", "right_option")
_COLUMNS = ("question", "caption", "context", "statement", "label", "options", "ocr_tokens", "answers", "answer_index")


@dataclass(frozen=True)
class Rows:
    """The index of one built split. Columns are read when first used: listing ids needs no byte ranges."""

    folder: Path
    manifest: Manifest

    @property
    def count(self) -> int:
        """How many annotations the split has."""
        return self.manifest.num_annotations

    def ids(self, row: int) -> tuple[str, str]:
        """The key of the sample and the id of the annotation in a row."""
        key, annotation_id = self._texts
        return key[row].as_py(), annotation_id[row].as_py()

    def place(self, row: int) -> tuple[Path, Extent, int]:
        """The shard, the sample's extent in it, and the annotation's place among the sample's annotations."""
        number = {name: int(column[row]) for name, column in self._numbers.items()}
        shards, codes = self._shards
        extent = Extent(
            offset=number["offset"],
            num_bytes=number["num_bytes"],
            json_offset=number["json_offset"],
            json_bytes=number["json_bytes"],
            media_offset=None if number["media_offset"] == _ABSENT else number["media_offset"],
            media_bytes=None if number["media_bytes"] == _ABSENT else number["media_bytes"],
        )
        return self.folder / shards[int(codes[row])], extent, number["ordinal"]

    def fields(self, row: int) -> frozenset[str]:
        """Which of FIELDS the annotation in a row has."""
        mask = int(self._masks[row])
        return frozenset(name for bit, name in enumerate(FIELDS) if mask >> bit & 1)

    @cached_property
    def _texts(self) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        table = self._read("key", "id").combine_chunks()
        return table.column("key"), table.column("id")

    @cached_property
    def _numbers(self) -> dict[str, NDArray[np.int64]]:
        table = self._read(*_NUMBERS)
        return {name: pc.fill_null(table.column(name), _ABSENT).to_numpy() for name in _NUMBERS}

    @cached_property
    def _shards(self) -> tuple[list[str], NDArray[np.int32]]:
        column = self._read("shard").column(0).dictionary_encode().unify_dictionaries().combine_chunks()
        return column.dictionary.to_pylist(), column.indices.to_numpy()

    @cached_property
    def _masks(self) -> NDArray[np.int16]:
        masks = np.zeros(self.count, dtype=np.int16)
        for bit, name in enumerate(_COLUMNS):  # one at a time: the texts are most of the file
            masks |= _present(self._read(name).column(0)).astype(np.int16) << bit
        return masks

    def _read(self, *names: str) -> pa.Table:
        """Some columns, each in one chunk; DataError for a file that is missing, damaged, or not the manifest's."""
        path, dataset = self.folder / INDEX, self.manifest.dataset
        remedy = f"build {dataset} again"
        try:
            table = pq.read_table(path, columns=list(names))
        except FileNotFoundError as error:
            raise DataError(dataset, "index is missing", file=str(path), remedy=remedy) from error
        except (pa.ArrowException, ValueError, KeyError) as error:
            raise DataError(dataset, f"index cannot be read: {error}", file=str(path), remedy=remedy) from error
        if table.num_rows != self.count or table.num_columns != len(names):
            problem = f"expected {self.count} rows as the manifest says, found {table.num_rows}"
            raise DataError(dataset, problem, file=str(path), remedy=remedy)
        return table.select(list(names))


def _present(column: Any) -> NDArray[np.bool_]:
    """Whether each value is there and holds more than blanks, as the templates see it."""
    if pa.types.is_string(column.type):
        there = pc.not_equal(pc.utf8_trim_whitespace(column), "")
    elif pa.types.is_list(column.type):
        there = pc.greater(pc.list_value_length(column), 0)
    else:
        there = pc.is_valid(column)
    found: NDArray[np.bool_] = pc.fill_null(there, False).to_numpy()
    return found
