"""Stored bytes of an image or a clip to the uint8 pixels that training reads.

The pixels are those of Pillow: the whole picture decoded, squashed to a square by its bicubic filter, which is what
LAVIS evaluates with. simplejpeg, where it is installed, decodes JPEG files to the same values, and finds damage that
Pillow passes over. With Pillow 13 neither is faster (299 and 300 real photos a second on one core of an AMD EPYC, half
of that time in the resize); older ones bring an older libjpeg.

One rule for each unusual picture, whichever of the two decodes: grey is repeated in three channels; CMYK goes by
Pillow's conversion, Adobe's inversion undone; an alpha channel or a transparent colour is dropped, not blended; of 16
bits the higher 8 are kept; of an animation the first frame; a colour profile and an orientation in EXIF are passed
over, so that a photo shows as it is stored.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ib_data.builders.pictures import MediaError, check_size, naming_faults, open_header
from ib_data.choices import AUGMENTS, DECODES, MAX_IMAGE_PX
from ib_data.errors import IbDataError, MissingExtraError, did_you_mean, quoted
from ib_data.frames import frames
from ib_data.mixtures.augment import Augmentation, apply, draw_augmentation
from ib_data.sample import MEDIA_KINDS

try:
    import simplejpeg
except ImportError:  # it comes with the extra [train]; Pillow gives the same pixels without it
    simplejpeg = None

_JPEG = b"\xff\xd8\xff"
# The largest divisor that a JPEG decoder shrinks by, and the share of the wanted size that must be left. With 0.9,
# which halves the photos of 640 x 480, 40 dB were left of 73, for a tenth of the time.
_MAX_DIVISOR = 8
_ENOUGH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """How pictures become pixels: squares of `image_px` pixels, one of DECODES, and one of AUGMENTS.

    `fast` is not exact, and not for evaluation. torch resizes, whose SIMD code rounds its weights more coarsely, and
    looks at nothing beyond a crop; a JPEG of at least four times the wanted size is halved, quartered or eighthed by
    its decoder first. Of 131 real photos of about 640 x 480 it changes 0.3% of the values at 224 pixels (median; 21% at
    most), by 1 of 255 nearly always: 73 dB (55 at least), with the crop of `mild` 65, in 60% of the time. Photos of
    1280 x 960 (four in one) are halved: 50 dB, with `mild` 39, in 35% of the time. Values may differ by 1 between kinds
    of processors. Needs torch.
    IbDataError for a size that is no integer from 1 to MAX_IMAGE_PX, and for an unknown name.
    """

    image_px: int = 224
    decode: str = DECODES[0]
    augment: str = AUGMENTS[0]

    def __post_init__(self) -> None:
        if type(self.image_px) is not int or not 1 <= self.image_px <= MAX_IMAGE_PX:
            expected = f"an integer from 1 to {MAX_IMAGE_PX:,}"
            raise IbDataError(f"image_px: expected {expected}, found {quoted(self.image_px)}")
        for name, value, known in (("decode", self.decode, DECODES), ("augment", self.augment, AUGMENTS)):
            if value not in known:
                raise IbDataError(f"{name}: unknown value {value!r}; {did_you_mean(value, known)}")


def pixels(media: bytes, kind: str, options: ImageOptions, *, seed: int = 0, position: int = 0) -> NDArray[np.uint8]:
    """RGB values: uint8 (image_px, image_px, 3) of an image, (4, image_px, image_px, 3) of a clip (kind "video").

    Of a clip the middle frames of equal segments are shown, all under the same augmentation. `seed` and `position`
    decide the augmentation and nothing else. Raises MediaError and ClipError for what cannot be decoded whole or is of
    absurd size, MissingExtraError for a clip without PyAV and for `fast` without torch, and IbDataError for an unknown
    kind.
    """
    if kind not in MEDIA_KINDS:
        raise IbDataError(f"unknown kind of media {kind!r}; {did_you_mean(kind, MEDIA_KINDS)}")

    def choose(width: int, height: int) -> Augmentation:
        return draw_augmentation(options.augment, width, height, seed=seed, position=position)

    if kind == "video":
        shown = frames(media)
        height, width, _ = shown[0].shape
        change = choose(width, height)
        return np.stack([_square(frame, change, 1, options) for frame in shown])
    return _square(*(_by_simplejpeg(media, choose, options) or _by_pillow(media, choose, options)), options)


def _square(
    picture: "Image.Image | NDArray[np.uint8]", change: Augmentation, divisor: int, options: ImageOptions
) -> NDArray[np.uint8]:
    """The values of a picture that was decoded at 1 / divisor of its size: an image, or (H, W) or (H, W, 3)."""
    left, top, right, bottom = (side / divisor for side in change.box)
    if options.decode == "exact":
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        size = (options.image_px, options.image_px)
        small = image.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    else:
        values = np.require(picture, requirements="W")  # torch warns of memory that may not be written to
        crop = values[round(top) : round(bottom), round(left) : round(right)]
        small = Image.fromarray(_resized_by_torch(crop, options.image_px))
    # A grey picture stays of one channel until it is small. A copy, for the same reason.
    return np.array(apply(change, small.convert("RGB")))


def _resized_by_torch(values: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(side, side) of (H, W), (side, side, 3) of (H, W, 3); for 640 x 480 in 0.3 ms, where Pillow takes 1.9."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("decode \"fast\" needs torch: pip install 'ib-data[train]'") from error
    planes = torch.from_numpy(np.atleast_3d(values)).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(planes, size=(side, side), mode="bicubic", antialias=True)
    found: NDArray[np.uint8] = small[0].permute(1, 2, 0).numpy()
    return np.ascontiguousarray(found if values.ndim > 2 else found[..., 0])


def _divisor(change: Augmentation, options: ImageOptions) -> int:
    """By how much a JPEG decoder may shrink the picture: 1, 2, 4 or 8."""
    left, top, right, bottom = change.box
    divisor = 1
    if options.decode == "fast":
        while divisor < _MAX_DIVISOR and min(right - left, bottom - top) >= 2 * divisor * _ENOUGH * options.image_px:
            divisor *= 2
    return divisor


_Choose = Callable[[int, int], Augmentation]
_Decoded = tuple[Image.Image | NDArray[np.uint8], Augmentation, int]


def _by_simplejpeg(data: bytes, choose: _Choose, options: ImageOptions) -> _Decoded | None:
    """The picture, its augmentation and its divisor; None where Pillow has to decide.

    MediaError for a JPEG whose data end before its picture does, though an end is marked: Pillow fills the rest with
    grey and says nothing.
    """
    if simplejpeg is None or not data.startswith(_JPEG):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("YCbCr", "Gray"):
            return None
        check_size(width, height)
        change = choose(width, height)
        divisor = _divisor(change, options)
        array = simplejpeg.decode_jpeg(
            data,
            "GRAY" if colours == "Gray" else "RGB",
            min_height=math.ceil(height / divisor),
            min_width=math.ceil(width / divisor),
            min_factor=divisor,
        )
    except ValueError as error:
        if "premature end of data" in str(error):
            raise MediaError(f"is not a whole picture ({error})") from error
        return None
    return array[..., 0] if colours == "Gray" else array, change, divisor


def _by_pillow(data: bytes, choose: _Choose, options: ImageOptions) -> _Decoded:
    """The picture, its augmentation and its divisor."""
    image = open_header(data)
    width, height = image.size
    change = choose(width, height)
    divisor = _divisor(change, options) if data.startswith(_JPEG) else 1
    with naming_faults():
        if divisor > 1:
            image.draft(None, (width // divisor, height // divisor))
        image.load()
        return _three_channels(image), change, divisor


def _three_channels(image: Any) -> Image.Image:
    """The picture in mode RGB, or L for grey, as the head of this file says."""
    # Pillow warns of a transparent colour that is lost, and versions of it differ in what they do with 16 bits.
    image.info.pop("transparency", None)
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    plain: Image.Image = image if image.mode == "L" else image.convert("RGB")
    return plain
