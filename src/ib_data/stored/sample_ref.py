"""Where the index says a sample is, and the check that what was read there is that sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ib_data.sample import StoredSample
from ib_data.stored.index import Extent
from ib_data.stored.sample_reader import OtherContentError, extent_of

# The columns of the index that `ref_in` reads.
REF_COLUMNS = ("key", "shard", "ordinal", "media_sha256", *Extent.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class SampleRef:
    """The location of a sample: its key, the row of its first annotation, and its extent in a shard.

    `media_sha256` is the checksum of the image or clip in hex, None in a build without media.
    """

    key: str
    row: int
    shard: str
    extent: Extent
    media_sha256: str | None


def ref_in(row: int, values: Mapping[str, Any]) -> SampleRef:
    """The sample whose first annotation is in row `row`, from the REF_COLUMNS of any of its rows."""
    return SampleRef(values["key"], row, values["shard"], extent_of(values), values["media_sha256"])


def require_indexed(sample: StoredSample, key: str, media_sha256: str | None) -> None:
    """Raise OtherContentError for a sample that is not the one in the index, or has another image or clip."""
    if sample.key != key:
        raise OtherContentError(f"expected sample {key!r}, found sample {sample.key!r}")
    if sample.media.sha256 != media_sha256:
        raise OtherContentError(f"sample {key!r} holds another image or clip than when the index was made")
