"""The rows of an `index.parquet` as arrays: what the stream needs to find an annotation, in the order of the file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ib_data.builders.index import Extent
from ib_data.builders.manifest import Manifest, read_index

_NUMBERS = ("offset", "num_bytes", "json_offset", "json_bytes", "media_offset", "media_bytes", "ordinal")
_ABSENT = -1
# What `str.strip` takes away, and so what counts as blank where texts are rendered: more than Arrow's own trimming.
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))
_Flags = NDArray[np.bool_]


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
        """Which of FIELDS templates see of the annotation in a row."""
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
        for bit, (seen, *names) in enumerate(_SEEN.values()):  # one at a time: the texts are most of the file
            masks |= seen(*self._read(*names).columns).astype(np.int16) << bit
        return masks

    def _read(self, *names: str) -> pa.Table:
        return read_index(self.folder, self.manifest, list(names))


def _has_text(texts: pa.ChunkedArray) -> _Flags:
    """Whether each text is there and not blank."""
    found: _Flags = pc.fill_null(pc.not_equal(pc.utf8_trim(texts, characters=_BLANKS), ""), False).to_numpy()
    return found


def _lengths(lists: pa.ChunkedArray) -> NDArray[np.int64]:
    lengths: NDArray[np.int64] = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    return lengths


def _has_items(lists: pa.ChunkedArray) -> _Flags:
    return _lengths(lists) > 0


def _has_one(lists: pa.ChunkedArray, flags: _Flags) -> _Flags:
    """Whether any item of each list is flagged; `flags` of all items, one list after the other."""
    lengths = _lengths(lists)
    found = np.zeros(len(lengths), dtype=np.bool_)
    found[np.repeat(np.arange(len(lengths)), lengths)[flags]] = True
    return found


def _has_token(tokens: pa.ChunkedArray) -> _Flags:
    return _has_one(tokens, _has_text(pc.list_flatten(tokens)))


def _has_answer(answers: pa.ChunkedArray) -> _Flags:
    flat = pc.list_flatten(answers)
    given = pc.greater(pc.struct_field(flat, "count"), 0).to_numpy()
    return _has_one(answers, _has_text(pc.struct_field(flat, "text")) & given)


def _has_right_option(options: pa.ChunkedArray, answer_index: pa.ChunkedArray) -> _Flags:
    lengths = _lengths(options)
    index = pc.fill_null(answer_index, _ABSENT).to_numpy().astype(np.int64)
    found = (index != _ABSENT) & (index < lengths)
    places = np.cumsum(lengths)[found] - lengths[found] + index[found]
    found[found] = _has_text(pc.list_flatten(options))[places]
    return np.asarray(found, dtype=np.bool_)


# How each bit of `Rows.fields` is found, and from which columns: what `render` takes for a value that is there.
_SEEN: dict[str, tuple[Any, ...]] = {
    "question": (_has_text, "question"),
    "caption": (_has_text, "caption"),
    "context": (_has_text, "context"),
    "statement": (_has_text, "statement"),
    "label": (_has_text, "label"),
    "options_text": (_has_items, "options"),
    "ocr_text": (_has_token, "ocr_tokens"),
    "history_text": (_has_items, "history"),
    "answer": (_has_answer, "answers"),
    "right_option": (_has_right_option, "options", "answer_index"),
}
FIELDS = tuple(_SEEN)
