"""Which fields templates see of each annotation, computed over whole columns of an index."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ib_data.blank import BLANKS

# Replaces a null where a number is needed.
ABSENT = -1
_Flags = NDArray[np.bool_]


def field_masks(table: pa.Table) -> NDArray[np.uint16]:
    """A mask per row, whose bit i says whether templates see FIELDS[i]; `table` has the columns FIELD_COLUMNS."""
    masks = np.zeros(table.num_rows, dtype=np.uint16)
    for bit, (seen, *names) in enumerate(_SEEN.values()):
        masks |= seen(*(table.column(name) for name in names)).astype(np.uint16) << bit
    return masks


def _has_text(texts: pa.ChunkedArray) -> _Flags:
    """Whether each text is present and not empty after `trimmed`."""
    found: _Flags = pc.fill_null(pc.not_equal(pc.utf8_trim(texts, characters=BLANKS), ""), False).to_numpy()
    return found


def list_lengths(lists: pa.ChunkedArray) -> NDArray[np.int64]:
    """The number of items in each list, 0 for an absent one."""
    lengths: NDArray[np.int64] = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    return lengths


def _has_items(lists: pa.ChunkedArray) -> _Flags:
    return list_lengths(lists) > 0


def _has_one(lists: pa.ChunkedArray, flags: _Flags) -> _Flags:
    """Whether any item of each list is flagged; `flags` has all items, list after list."""
    lengths = list_lengths(lists)
    found = np.zeros(len(lengths), dtype=np.bool_)
    found[np.repeat(np.arange(len(lengths)), lengths)[flags]] = True
    return found


def _has_one_with_text(lists: pa.ChunkedArray) -> _Flags:
    """Whether any text of each list is not empty after `trimmed`."""
    return _has_one(lists, _has_text(pc.list_flatten(lists)))


def _has_answer(answers: pa.ChunkedArray) -> _Flags:
    flat = pc.list_flatten(answers)
    given = pc.greater(pc.struct_field(flat, "count"), 0).to_numpy()
    return _has_one(answers, _has_text(pc.struct_field(flat, "text")) & given)


def _has_right_option(options: pa.ChunkedArray, answer_index: pa.ChunkedArray) -> _Flags:
    lengths = list_lengths(options)
    index = pc.fill_null(answer_index, ABSENT).to_numpy().astype(np.int64)
    found = (index != ABSENT) & (index < lengths)
    places = np.cumsum(lengths)[found] - lengths[found] + index[found]
    found[found] = _has_text(pc.list_flatten(options))[places]
    return np.asarray(found, dtype=np.bool_)


# How each bit of a mask is computed, and from which columns: the rule by which `render` takes a value as present.
_SEEN: dict[str, tuple[Any, ...]] = {
    "question": (_has_text, "question"),
    "caption": (_has_text, "caption"),
    "context": (_has_text, "context"),
    "statement": (_has_text, "statement"),
    "label": (_has_text, "label"),
    "options_text": (_has_one_with_text, "options"),
    "ocr_text": (_has_one_with_text, "ocr_tokens"),
    "history_text": (_has_items, "history"),
    "answer": (_has_answer, "answers"),
    "right_option": (_has_right_option, "options", "answer_index"),
}
FIELDS = tuple(_SEEN)
FIELD_COLUMNS = tuple(dict.fromkeys(name for _, *names in _SEEN.values() for name in names))
