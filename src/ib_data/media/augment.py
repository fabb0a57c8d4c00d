"""The published training augmentations, each a pure function of (seed, position).

Public code trains InstructBLIP with three transforms, and the paper does not say which one it used:

`mild`   a random crop of 0.9 to 1 of the area, no flip (X-InstructBLIP). Flips and hard crops hurt reading, left and
         right, and counting.
`blip2`  a random crop of 0.5 to 1 of the area and a flip half of the time (LAVIS, the Vicuna configuration).
`blip`   the same, then RandAugment (LAVIS, the FlanT5 configuration).

The crop follows torchvision's RandomResizedCrop: a uniform share of the area, an aspect ratio uniform in its
logarithm, ten tries, then the largest central box within the ratios. One difference: the box is resized from the
whole image, so the filter reads across its edges, where torchvision crops first.

These ratios leave `mild` few crops on most images. Of 640 x 480 it takes the central box (there the whole image) 37%
of the time, and of 3 : 2 always, since no box of 0.9 of the area is as narrow as 4 : 3. The published code does the
same.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageOps

from ib_data.keyed import keyed_below, keyed_unit

AREA_SHARES = {"mild": (0.9, 1.0), "blip2": (0.5, 1.0), "blip": (0.5, 1.0)}
"""The augmentations, each with the smallest and largest share of the image's area that its crop takes."""
WIDEST = 4 / 3
"""The largest aspect ratio of a crop; its inverse, 3/4, is the smallest."""
_TRIES = 10

# RandAugment as in LAVIS: two of ten operations, drawn with replacement, each applied half of the time, at level 5 of
# 10. The largest shear is 0.3, the largest rotation 30 degrees, the largest shift 10 pixels at any size.
_NUM_OPERATIONS = 2
_SHARE_DONE = 0.5
_SHEAR = 0.15
_TURN_DEGREES = 15
_SHIFT_PX = 5
_GREY = (128, 128, 128)

Box = tuple[int, int, int, int]
"""Left, top, right and bottom edge in pixels of the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """The changes to one image: the crop, a flip, and the names of operations with their signs, 1 or -1."""

    box: Box
    is_flipped: bool = False
    operations: tuple[tuple[str, int], ...] = ()


def draw_augmentation(augment: str, width: int, height: int, *, seed: int, position: int) -> Augmentation:
    """The augmentation of an image of `width` by `height` pixels at a position.

    `augment` is a key of AREA_SHARES, or `none` for the whole image unchanged.
    """
    if augment == "none":
        return Augmentation(box=(0, 0, width, height))
    box = draw_box(width, height, AREA_SHARES[augment], seed=seed, position=position)
    if augment == "mild":
        return Augmentation(box=box)
    is_flipped = keyed_unit(seed, "flip", position) < 0.5
    operations = _draw_operations(seed, position) if augment == "blip" else ()
    return Augmentation(box=box, is_flipped=is_flipped, operations=operations)


def draw_box(width: int, height: int, shares: tuple[float, float], *, seed: int, position: int) -> Box:
    """A crop whose share of the image's area is between the two `shares`, up to rounding to whole pixels."""
    least, most = shares
    for attempt in range(_TRIES):
        area = width * height * (least + (most - least) * keyed_unit(seed, "crop area", position, attempt))
        ratio = WIDEST ** (2 * keyed_unit(seed, "crop ratio", position, attempt) - 1)
        box_width, box_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < box_width <= width and 0 < box_height <= height:
            left = keyed_below(width - box_width + 1, seed, "crop left", position, attempt)
            top = keyed_below(height - box_height + 1, seed, "crop top", position, attempt)
            return left, top, left + box_width, top + box_height
    return _central_box(width, height)


def apply(change: Augmentation, image: Image.Image) -> Image.Image:
    """The image, already cropped to `change.box`, after the flip and the operations."""
    if change.is_flipped:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for name, sign in change.operations:
        image = OPERATIONS[name](image, sign)
    return image


def _central_box(width: int, height: int) -> Box:
    box_width = min(width, round(height * WIDEST))
    box_height = min(height, round(width * WIDEST))
    left, top = (width - box_width) // 2, (height - box_height) // 2
    return left, top, left + box_width, top + box_height


def _draw_operations(seed: int, position: int) -> tuple[tuple[str, int], ...]:
    drawn = []
    for turn in range(_NUM_OPERATIONS):
        if keyed_unit(seed, "operation done", position, turn) < _SHARE_DONE:
            name = tuple(OPERATIONS)[keyed_below(len(OPERATIONS), seed, "operation", position, turn)]
            drawn.append((name, 1 if keyed_below(2, seed, "operation sign", position, turn) else -1))
    return tuple(drawn)


def _unchanged(image: Image.Image, _sign: int) -> Image.Image:
    return image


def _moved(image: Image.Image, x: tuple[float, float, float], y: tuple[float, float, float]) -> Image.Image:
    """The image whose point (i, j) is the source's (x . (i, j, 1), y . (i, j, 1)), grey outside the source."""
    return image.transform(
        image.size, Image.Transform.AFFINE, (*x, *y), resample=Image.Resampling.BILINEAR, fillcolor=_GREY
    )


def _turned(image: Image.Image, sign: int) -> Image.Image:
    return image.rotate(sign * _TURN_DEGREES, resample=Image.Resampling.BILINEAR, fillcolor=_GREY)


OPERATIONS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "Identity": _unchanged,
    "AutoContrast": lambda image, sign: ImageOps.autocontrast(image),
    # LAVIS scales both by 0.1 + 1.8 * level / 10, which is 1 at level 5: they are drawn but change nothing.
    "Brightness": _unchanged,
    "Sharpness": _unchanged,
    "Equalize": lambda image, sign: ImageOps.equalize(image),
    "ShearX": lambda image, sign: _moved(image, (1, sign * _SHEAR, 0), (0, 1, 0)),
    "ShearY": lambda image, sign: _moved(image, (1, 0, 0), (sign * _SHEAR, 1, 0)),
    "TranslateX": lambda image, sign: _moved(image, (1, 0, sign * _SHIFT_PX), (0, 1, 0)),
    "TranslateY": lambda image, sign: _moved(image, (1, 0, 0), (0, 1, sign * _SHIFT_PX)),
    "Rotate": _turned,
}
"""The operations of RandAugment, in LAVIS's order for BLIP; each takes an image and a sign."""
