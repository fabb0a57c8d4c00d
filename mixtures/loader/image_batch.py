"""A batch of examples as tensors, each picture once: what the loader's workers hand over unless told otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ib_data.errors import IbDataError
from ib_data.mixtures.stream.example import Example


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """B examples over U <= B unique pictures: `images` uint8 (U, H, W, 3), of clips (U, frames, H, W, 3).

    `image_index` int64 (B,) is the picture of each example; the examples carry neither pixels nor stored bytes. Where
    the stream decodes nothing `images` is None, and the examples keep their stored bytes.
    """

    images: Tensor | None
    image_index: Tensor
    examples: list[Example]


def stack(examples: list[Example]) -> ImageBatch:
    """The examples as an ImageBatch; IbDataError where images and clips meet in one batch."""
    images, image_index = unique_pictures(examples)
    if images is not None:
        examples = [replace(example, pixels=None, media=None) for example in examples]
    return ImageBatch(images, image_index, examples)


def unique_pictures(examples: Sequence[Example]) -> tuple[Tensor | None, Tensor]:
    """Each picture once, uint8 (U, H, W, 3) or None without pixels, and the picture of each example, int64 (B,)."""
    places: dict[int, int] = {}
    pictures: list[Tensor] = []
    for example in examples:
        if example.pixels is not None and id(example.pixels) not in places:
            places[id(example.pixels)] = len(pictures)
            pictures.append(torch.from_numpy(example.pixels))
    # On the CPU, where the pictures are: a training script may have set another default device.
    numbers = [places.get(id(example.pixels), 0) for example in examples]
    index = torch.tensor(numbers, dtype=torch.int64, device="cpu")
    if len({picture.shape for picture in pictures}) > 1:
        raise IbDataError("images and clips meet in one batch; keep them in mixtures of their own, or give a collate")
    return (torch.stack(pictures) if pictures else None), index
