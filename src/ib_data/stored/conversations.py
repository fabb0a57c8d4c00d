"""Which annotations end a conversation, and how many conversations a built split holds."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ib_data.stored.index_file import opened
from ib_data.stored.manifest import INDEX, Manifest
from ib_data.stored.visible_fields import list_lengths

# Only the questions of earlier turns: one leaf column is enough to count turns, and answers are long.
_QUESTION = "history.list.element.question"


def conversation_ends(ordinals: NDArray[np.int32], turns: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows that end a conversation, ascending.

    A row ends one if the next row belongs to another sample or its history is not exactly one turn longer. `ordinals`
    are the places of annotations in their samples, `turns` the lengths of their histories; both have shape (rows,).
    """
    goes_on = (ordinals[1:] != 0) & (turns[1:] == turns[:-1] + 1)
    return np.append(np.flatnonzero(~goes_on), np.arange(len(turns))[-1:]).astype(np.int64)


def num_conversations(folder: Path, manifest: Manifest) -> int:
    """The number of conversations in the split in `folder`; an annotation without a history counts as one.

    If the statistics of the index show no history, it is the number of annotations. Otherwise two columns are read:
    0.1 s for 283,000 turns of 57,000 synthetic conversations, where reading the answers as well takes 1.9 s.
    Raises DataError like `index_file.opened`.
    """
    with opened(folder / INDEX, manifest) as index:
        if not _has_histories(index.metadata):
            return manifest.num_annotations
        table = index.read(columns=["ordinal", _QUESTION])
        ordinals, histories = table.column("ordinal").to_numpy(), table.column("history")
    return len(conversation_ends(ordinals, list_lengths(histories)))


def _has_histories(metadata: pq.FileMetaData) -> bool:
    """Whether an index may hold a history; statistics that show only null questions rule it out."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    columns = (group.column(number) for group in groups for number in range(group.num_columns))
    found = [column.statistics for column in columns if column.path_in_schema == _QUESTION]
    return len(found) < metadata.num_row_groups or not all(
        statistics and statistics.has_null_count and statistics.num_values == 0 for statistics in found
    )
