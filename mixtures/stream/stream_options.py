"""What a training run may choose about its stream, beyond the mixture and the seed."""

from dataclasses import dataclass
from pathlib import Path

from ib_data.errors import IbDataError
from ib_data.media.pixels import ImageOptions
from ib_data.mixtures.order.block_shuffle import Locality

# An image with more annotations than this is not among the 26 datasets.
_MOST_ANNOTATIONS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """The options of a stream.

    `annotations_per_image`: above 1 a position is an image with up to so many of its annotations, read, decoded and
    encoded once. `locality`: a block-local order, for shards that lie far away. `images`: how pictures become pixels;
    None leaves them as stored bytes. `templates`: a folder of templates that come before the packaged ones.
    `max_bad_share`: the share of positions (of at least 1,000) whose sample may be unusable before a process stops.
    IbDataError for a number out of range.
    """

    annotations_per_image: int = 1
    locality: Locality | None = None
    images: ImageOptions | None = None
    templates: Path | None = None
    max_bad_share: float = 0.01

    def __post_init__(self) -> None:
        if self.templates is not None:  # a script may change its folder once the stream is open
            object.__setattr__(self, "templates", self.templates.absolute())
        if not 1 <= self.annotations_per_image <= _MOST_ANNOTATIONS:
            found = self.annotations_per_image
            raise IbDataError(f"annotations_per_image: expected 1 to {_MOST_ANNOTATIONS:,}, found {found}")
        if not 0 <= self.max_bad_share <= 1:
            raise IbDataError(f"max_bad_share: expected a share from 0 to 1, found {self.max_bad_share}")
