"""Pixels to the values a vision encoder reads."""

import torch
from torch import Tensor

from ib_data.media import pixels as images

# The CLIP statistics, which the paper's vision encoder was trained with.
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def pixels(data: bytes, image_px: int) -> Tensor:
    """A picture as float32 (3, image_px, image_px): RGB, squashed to a square bicubically, CLIP-normalised.

    Raises MediaError for bytes that cannot be decoded whole, and for a picture of absurd size.
    """
    squashed = images.pixels(data, "image", images.ImageOptions(image_px=image_px))
    return normalised(torch.from_numpy(squashed)[None])[0]


def normalised(pictures: Tensor) -> Tensor:
    """CLIP-normalised values, contiguous float32 (N, 3, H, W), of RGB pixels, uint8 (N, H, W, 3), on their device."""
    # One copy, then in place: 13 ms for 64 pictures of 224 pixels, where a new tensor for each step takes 64 ms (two
    # cores of an AMD EPYC), with the same bits.
    values = pictures.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    mean, deviation = (
        torch.tensor(v, dtype=values.dtype, device=values.device).view(3, 1, 1) for v in (MEAN, DEVIATION)
    )
    return values.div_(255).sub_(mean).div_(deviation)
