"""The options of a stream beyond mixture and seed, with the same names in TOML and on the command line.

Imports no numpy, since `--help` reads the options from these fields.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from ib_data.given import folder, require_kind
from ib_data.settings import check_settings, setting

# How images are resized: as Pillow does, or by torch after the decoder has shrunk large JPEGs.
DECODES = ("exact", "fast")
# How training crops images: not at all, or by one of the published augmentations, see `src/ib_data/media/augment.py`.
AUGMENTS = ("none", "mild", "blip2", "blip")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """How images become pixels: squares of `image_px` pixels, one of DECODES, and one of AUGMENTS.

    `fast` needs torch, is not exact, and is not for evaluation. torch resizes: its SIMD code rounds weights more
    coarsely and ignores pixels outside a crop. The decoder first shrinks a JPEG of at least four times the wanted size
    to a half, a quarter or an eighth. Over 131 real images of about 640 x 480, 0.3% of the values at 224 pixels change
    (median; at most 21%), nearly always by 1 of 255: 73 dB (at least 55), 65 with the crop of `mild`, in 60% of the
    time. Images of 1280 x 960 (four joined) are halved: 50 dB, 39 with `mild`, in 35% of the time. Values may differ
    by 1 between processor models. Raises IbDataError for a value that is not allowed.
    """

    image_px: int = setting(224, "Side of the square that each image becomes, in pixels.", least=1, most=4096)
    decode: str = setting(
        "exact", "How images are resized: exactly as Pillow does, or faster with torch.", choices=DECODES
    )
    augment: str = setting("none", "How training crops images.", choices=AUGMENTS)
    frames: int = setting(4, "Number of frames taken from a clip.", least=1, most=256)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """The options of a stream. Raises IbDataError for a value that is not allowed.

    `annotations_per_image`: above 1, a position is an image with up to this many of its annotations, and the image is
    read, decoded and encoded once; no image of the 26 datasets has more than the limit. `local_order`: block shuffle,
    for shards in an object store. `images`: how images become pixels; None keeps the stored bytes. `templates`: a
    folder of templates that take precedence over the packaged ones. `max_bad_share`: a process stops once a larger
    share of its positions (of at least 1,000) drew an unusable sample.
    """

    annotations_per_image: int = setting(
        1, "Maximum number of annotations of one image per position.", least=1, most=1024
    )
    local_order: bool = setting(False, "Block shuffle: read shards block by block, for remote shards.")
    images: ImageOptions | None = None
    templates: str | os.PathLike[str] | None = setting(  # noqa: RUF009 (a field, as `dataclasses.field` is)
        None, "Folder of TASK.toml files, each in place of the packaged file of that task.", kind=Path
    )
    max_bad_share: float = setting(0.01, "Share of positions that may have an unusable sample.", least=0, most=1)

    def __post_init__(self) -> None:
        if self.templates is not None:  # absolute: a script may change its folder later
            object.__setattr__(self, "templates", folder("templates", self.templates))
        check_settings(self)
        if self.images is not None:
            require_kind("images", self.images, ImageOptions, "ImageOptions or None")
