"""`index.parquet`: a row per annotation of a split, with the byte ranges of its sample in the shard.

Offsets count from the start of the shard file. `offset` and `num_bytes` are the whole extent of the sample (both tar
members with their headers and padding): one read gets everything.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ib_data.sample import Annotation, Answer, Sample, Turn, plain

SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("key", pa.string()),
        ("offset", pa.int64()),
        ("num_bytes", pa.int64()),
        ("json_offset", pa.int64()),
        ("json_bytes", pa.int64()),
        ("media_offset", pa.int64()),
        ("media_bytes", pa.int64()),
        ("media_extension", pa.string()),
        ("media_kind", pa.string()),
        ("media_name", pa.string()),
        ("media_sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("ordinal", pa.int32()),
        ("id", pa.string()),
        ("question", pa.string()),
        ("answers", pa.list_(pa.struct([("text", pa.string()), ("count", pa.int32())]))),
        ("caption", pa.string()),
        ("options", pa.list_(pa.string())),
        ("answer_index", pa.int32()),
        ("context", pa.string()),
        ("ocr_tokens", pa.list_(pa.string())),
        ("history", pa.list_(pa.struct([("question", pa.string()), ("answer", pa.string())]))),
        ("statement", pa.string()),
        ("label", pa.string()),
        ("rationales", pa.list_(pa.string())),
        ("extra", pa.string()),
    ]
)
DROPS_SCHEMA = pa.schema(
    [("dataset", pa.string()), ("split", pa.string()), ("source_id", pa.string()), ("reason", pa.string())]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Where a sample is in its shard, in bytes from the start of the file. Media fields are None without media."""

    offset: int
    num_bytes: int
    json_offset: int
    json_bytes: int
    media_offset: int | None = None
    media_bytes: int | None = None
    media_extension: str | None = None


def index_rows(sample: Sample, shard: str, extent: Extent) -> list[dict[str, Any]]:
    """The rows of one sample, one per annotation, in order. Absent fields are null (Parquet has no absence)."""
    shared = {
        "dataset": sample.dataset,
        "split": sample.split,
        "shard": shard,
        "key": sample.key,
        **asdict(extent),
        "media_kind": sample.media.kind,
        "media_name": sample.media.source_name,
        "media_sha256": sample.media.sha256,
        "width": sample.media.width,
        "height": sample.media.height,
    }
    return [{**shared, "ordinal": i, **_columns(a)} for i, a in enumerate(sample.annotations)]


def _columns(annotation: Annotation) -> dict[str, Any]:
    extra = json.dumps(annotation.extra, ensure_ascii=False) if annotation.extra else None
    return {**plain(annotation), "extra": extra}


_READ: dict[str, Callable[[Any], Any]] = {
    "answers": lambda items: tuple(Answer(**item) for item in items),
    "history": lambda items: tuple(Turn(**item) for item in items),
    "options": tuple,
    "ocr_tokens": tuple,
    "rationales": tuple,
    "extra": json.loads,
}


def annotation_of(row: Mapping[str, Any]) -> Annotation:
    """The annotation in a row of the index, a mapping with columns of SCHEMA; columns that were not read are absent."""
    given = {name: row[name] for name in Annotation.__dataclass_fields__ if row.get(name) is not None}
    return Annotation(**{name: _READ[name](value) if name in _READ else value for name, value in given.items()})


def write_table(rows: Iterable[dict[str, Any]], schema: pa.Schema, path: Path) -> None:
    """Write rows to a Parquet file. The same rows and version of pyarrow give the same bytes."""
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, compression="zstd")


def drop_counts(path: Path) -> dict[str, int]:
    """The number of rows in a `drops.parquet` for each reason."""
    # Not `read_table`: it imports pyarrow.dataset, which adds 0.5 s to a build that finds everything unchanged.
    with pq.ParquetFile(path) as file:
        return Counter(file.read(columns=["reason"]).column("reason").to_pylist())


def stored_counts(path: Path) -> tuple[int, int] | None:
    """(annotations, those with media) of an index whose manifest is lost; None for one that cannot be read."""
    try:
        media = pq.read_table(path, columns=["media_sha256"])["media_sha256"]
    except (OSError, ValueError):
        return None
    return len(media), len(media) - media.null_count


def another_owner(metadata: pq.FileMetaData, dataset: str, split: str) -> str | None:
    """The DATASET/SPLIT a Parquet file belongs to, if not this one. Uses its statistics and reads no row."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        found = {group.column(i).path_in_schema: group.column(i).statistics for i in range(group.num_columns)}
        of = [
            (stats.min, stats.max) for name in ("dataset", "split") if (stats := found.get(name)) and stats.has_min_max
        ]
        for owner in zip(*of, strict=True) if len(of) == 2 else ():
            if owner != (dataset, split):
                return "/".join(map(str, owner))
    return None
