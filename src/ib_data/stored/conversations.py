"""Which annotations end a conversation, and how many conversations a built split holds."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ib_data.errors import DataError
from ib_data.stored.index import another_owner
from ib_data.stored.manifest import INDEX, Manifest, other_index
from ib_data.stored.visible_fields import list_lengths

# Of each earlier turn the question alone: one leaf is enough to count turns, and answers are long.
_QUESTION = "history.list.element.question"


def conversation_ends(ordinals: NDArray[np.int32], turns: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows that end a conversation, ascending.

    The row after such a row is of another sample, or its history is not exactly one turn longer. `ordinals` are the
    places of annotations in their samples, `turns` the lengths of their histories, both of shape (rows,).
    """
    goes_on = (ordinals[1:] != 0) & (turns[1:] == turns[:-1] + 1)
    return np.append(np.flatnonzero(~goes_on), np.arange(len(turns))[-1:]).astype(np.int64)


def num_conversations(folder: Path, manifest: Manifest) -> int:
    """How many conversations the split built in `folder` holds; an annotation without a history is one of its own.

    Where the index says that it holds no history, that is every annotation. Else from two of its columns, and 0.1 s for
    the 283,000 turns of 57,000 made-up conversations: with the answers of their histories it would be 1.9 s. DataError
    for an index that is missing, damaged or another's.
    """
    index = folder / INDEX
    try:
        with pq.ParquetFile(index) as file:
            if file.metadata.num_rows != manifest.num_annotations:
                raise other_index(index, manifest, file.metadata.num_rows)
            if other := another_owner(file.metadata, manifest.dataset, manifest.split):
                remedy = f"build {manifest.dataset} again"
                raise DataError(manifest.dataset, f"index is of {other}", file=str(index), remedy=remedy)
            if not _has_histories(file.metadata):
                return manifest.num_annotations
            table = file.read(columns=["ordinal", _QUESTION])
        ordinals, histories = table.column("ordinal").to_numpy(), table.column("history")
    except (OSError, pa.ArrowException, KeyError) as error:
        problem, remedy = f"index cannot be read: {error}", f"build {manifest.dataset} again"
        raise DataError(manifest.dataset, problem, file=str(index), remedy=remedy) from error
    return len(conversation_ends(ordinals, list_lengths(histories)))


def _has_histories(metadata: pq.FileMetaData) -> bool:
    """Whether an index may hold a history, by the statistics of its questions: those that are all null prove none."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    columns = (group.column(number) for group in groups for number in range(group.num_columns))
    found = [column.statistics for column in columns if column.path_in_schema == _QUESTION]
    return len(found) < metadata.num_row_groups or not all(
        statistics and statistics.has_null_count and statistics.num_values == 0 for statistics in found
    )
