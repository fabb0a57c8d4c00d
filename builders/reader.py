"""Reading one sample from a shard by its byte range."""

import os
from pathlib import Path
from typing import Any

from ib_data.builders.index import Extent
from ib_data.errors import DataError
from ib_data.sample import Sample, SampleError


def read_sample(shard: Path, extent: Extent) -> tuple[Sample, bytes | None]:
    """The sample at `extent` and the bytes of its image or clip (None in a build without media), in one read.

    Raises DataError for a shard that is missing, too short, or that holds something else at that place.
    """
    dataset = shard.parent.parent.name
    try:
        descriptor = os.open(shard, os.O_RDONLY)
        try:
            data = os.pread(descriptor, extent.num_bytes, extent.offset)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise DataError(dataset, "shard is missing", file=str(shard), remedy=f"build {dataset} again") from error
    try:
        sample = Sample.from_json(_part(data, extent.offset, extent.json_offset, extent.json_bytes))
    except SampleError as error:
        remedy = f"run `ib-data check {dataset}`"
        raise DataError(dataset, str(error), file=str(shard), row=f"byte {extent.offset}", remedy=remedy) from error
    if extent.media_offset is None or extent.media_bytes is None:
        return sample, None
    return sample, _part(data, extent.offset, extent.media_offset, extent.media_bytes)


def extent_of(row: dict[str, Any]) -> Extent:
    """The extent in a row of the index (a mapping with the columns of `index.SCHEMA`)."""
    return Extent(**{name: row[name] for name in Extent.__dataclass_fields__})


def _part(data: bytes, start: int, offset: int, num_bytes: int) -> bytes:
    return data[offset - start : offset - start + num_bytes]
