"""Stored bytes of an image or clip to the uint8 pixels that training reads.

`media/coded.py` decodes the whole image, and Pillow's bicubic filter squashes it to a square, as LAVIS does for
evaluation.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ib_data.errors import IbDataError, MissingExtraError, did_you_mean
from ib_data.media.augment import Augmentation, apply, draw_augmentation
from ib_data.media.coded import Values, read_image
from ib_data.media.frames import frames
from ib_data.media.jpeg import LARGEST_DIVISOR
from ib_data.sample import MEDIA_KINDS
from ib_data.stream_options import ImageOptions

# A JPEG decoder may shrink an image to no less than this share of the wanted size. 0.9, which halves images of
# 640 x 480, lowers 73 dB to 40 and saves a tenth of the time.
_ENOUGH = 2


def pixels(media: bytes, kind: str, options: ImageOptions, *, seed: int = 0, position: int = 0) -> NDArray[np.uint8]:
    """RGB values: uint8 (image_px, image_px, 3) of an image, (frames, image_px, image_px, 3) of a clip (kind "video").

    A clip gives the middle frames of equal segments, all with the same augmentation. `seed` and `position` decide
    only the augmentation. Raises MediaError for damaged data or an absurd size, MissingExtraError for a clip without
    PyAV and for `fast` without torch, and IbDataError for an unknown kind.
    """
    if kind not in MEDIA_KINDS:
        raise IbDataError(f"unknown kind of media {kind!r}; {did_you_mean(kind, MEDIA_KINDS)}")

    def choose(width: int, height: int) -> Augmentation:
        return draw_augmentation(options.augment, width, height, seed=seed, position=position)

    if kind == "video":
        shown = frames(media, options.frames)
        height, width, _ = shown[0].shape
        change = choose(width, height)
        return np.stack([_square(frame, change, 1, options) for frame in shown])
    image = read_image(media)
    change = choose(image.width, image.height)
    divisor = _divisor(change, options) if image.format == "JPEG" else 1
    return _square(image.decode(divisor), change, divisor, options)


def _square(picture: Values, change: Augmentation, divisor: int, options: ImageOptions) -> NDArray[np.uint8]:
    """The square values of `picture`, decoded at 1 / divisor of its size: an image, or (H, W) or (H, W, 3)."""
    left, top, right, bottom = (side / divisor for side in change.box)
    if options.decode == "exact":
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        size = (options.image_px, options.image_px)
        small = image.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    else:
        values = np.require(picture, requirements="W")  # torch warns about read-only memory
        crop = values[round(top) : round(bottom), round(left) : round(right)]
        small = Image.fromarray(_resized_by_torch(crop, options.image_px))
    # A grey image keeps one channel until it is small. Copied, for the same reason.
    return np.array(apply(change, small.convert("RGB")))


def _resized_by_torch(values: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(side, side) of (H, W), (side, side, 3) of (H, W, 3). Takes 0.3 ms for 640 x 480; Pillow takes 1.9."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("decode \"fast\" needs torch: pip install 'ib-data[train]'") from error
    planes = torch.from_numpy(np.atleast_3d(values)).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(planes, size=(side, side), mode="bicubic", antialias=True)
    found: NDArray[np.uint8] = small[0].permute(1, 2, 0).numpy()
    return np.ascontiguousarray(found if values.ndim > 2 else found[..., 0])


def _divisor(change: Augmentation, options: ImageOptions) -> int:
    """The factor by which a JPEG decoder may shrink the image: 1, 2, 4 or 8."""
    left, top, right, bottom = change.box
    divisor = 1
    if options.decode == "fast":
        while divisor < LARGEST_DIVISOR and min(right - left, bottom - top) >= 2 * divisor * _ENOUGH * options.image_px:
            divisor *= 2
    return divisor
