"""What a run may choose about its stream beyond the mixture and the seed, under the same names in TOML and on the CLI.

No numpy here: a `--help` reads the options from these fields.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from ib_data.given import folder, require_kind
from ib_data.settings import check_settings, setting

# How images become small: as Pillow does it, or resized by torch, large JPEGs shrunk by their decoder first.
DECODES = ("exact", "fast")
# How training crops images: not at all, or as one of the published augmentations, see `src/ib_data/media/augment.py`.
AUGMENTS = ("none", "mild", "blip2", "blip")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """How images become pixels: squares of `image_px` pixels, one of DECODES, and one of AUGMENTS.

    `fast` is not exact, and not for evaluation. torch resizes, whose SIMD code rounds its weights more coarsely, and
    looks at nothing beyond a crop; a JPEG of at least four times the wanted size is halved, quartered or eighthed by
    its decoder first. Of 131 real photos of about 640 x 480 it changes 0.3% of the values at 224 pixels (median; 21% at
    most), by 1 of 255 nearly always: 73 dB (55 at least), with the crop of `mild` 65, in 60% of the time. Photos of
    1280 x 960 (four in one) are halved: 50 dB, with `mild` 39, in 35% of the time. Values may differ by 1 between kinds
    of processors. Needs torch. IbDataError for a value that is not allowed.
    """

    image_px: int = setting(224, "Side of the square that each image becomes, in pixels.", least=1, most=4096)
    decode: str = setting("exact", "How images become small: as Pillow does it, or faster by torch.", choices=DECODES)
    augment: str = setting("none", "How training crops images.", choices=AUGMENTS)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """The options of a stream. IbDataError for a value that is not allowed.

    `annotations_per_image`: above 1 a position is an image with up to so many of its annotations, read, decoded and
    encoded once; no image of the 26 datasets has more than the limit. `local_order`: a block shuffle, for shards that
    are far away. `images`: how images become pixels; None leaves them as stored bytes. `templates`: a folder of
    templates that come before the packaged ones. `max_bad_share`: the share of positions (of at least 1,000) whose
    sample may be unusable before a process stops.
    """

    annotations_per_image: int = setting(1, "Up to so many annotations of an image at a position.", least=1, most=1024)
    local_order: bool = setting(False, "Visit shards block by block, for those that are far away.")
    images: ImageOptions | None = None
    templates: str | os.PathLike[str] | None = setting(  # noqa: RUF009 (a field, as `dataclasses.field` is)
        None, "Folder of TASK.toml files that come before the packaged ones.", kind=Path
    )
    max_bad_share: float = setting(0.01, "Share of positions whose sample may be unusable.", least=0, most=1)

    def __post_init__(self) -> None:
        if self.templates is not None:  # absolute: a script may change its folder later
            object.__setattr__(self, "templates", folder("templates", self.templates))
        check_settings(self)
        if self.images is not None:
            require_kind("images", self.images, ImageOptions, "ImageOptions or None")
