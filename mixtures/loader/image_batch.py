"""A batch of examples as tensors, each image once: the default collate of the loader."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ib_data.errors import IbDataError
from ib_data.mixtures.stream.example import Example


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """B examples over U <= B unique images: `images` is uint8 (U, H, W, 3), for clips (U, frames, H, W, 3).

    `image_index` int64 (B,) is the image of each example; the examples carry neither pixels nor stored bytes. If the
    stream does not decode, `images` is None and the examples keep their stored bytes.
    """

    images: Tensor | None
    image_index: Tensor
    examples: list[Example]


def stack(examples: list[Example]) -> ImageBatch:
    """The examples as an ImageBatch. Raises IbDataError if a batch has both images and clips."""
    images, image_index = unique_images(examples)
    if images is not None:
        examples = [replace(example, pixels=None, media=None) for example in examples]
    return ImageBatch(images, image_index, examples)


def unique_images(examples: Sequence[Example]) -> tuple[Tensor | None, Tensor]:
    """Each image once, uint8 (U, H, W, 3) or None without pixels, and the image of each example, int64 (B,)."""
    places: dict[int, int] = {}
    pictures: list[Tensor] = []
    for example in examples:
        if example.pixels is not None and id(example.pixels) not in places:
            places[id(example.pixels)] = len(pictures)
            pictures.append(torch.from_numpy(example.pixels))
    # On the CPU, like the images: a training script may have set another default device.
    numbers = [places.get(id(example.pixels), 0) for example in examples]
    index = torch.tensor(numbers, dtype=torch.int64, device="cpu")
    if len({picture.shape for picture in pictures}) > 1:
        raise IbDataError("a batch has both images and clips; put them in separate mixtures, or give a collate")
    return (torch.stack(pictures) if pictures else None), index
