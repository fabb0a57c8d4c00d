"""Image bytes to the values a vision encoder reads."""

import io

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ib_data.builders.pictures import MAX_PIXELS, MediaError

# The CLIP statistics, which the paper's vision encoder was trained with.
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def pixels(data: bytes, image_px: int) -> Tensor:
    """A picture as float32 (3, image_px, image_px): RGB, squashed to a square bicubically, CLIP-normalised.

    Raises MediaError for bytes that cannot be decoded whole, and for a picture of absurd size.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise MediaError(f"{image.width} x {image.height} pixels: refused as a size bomb")
            squashed = image.convert("RGB").resize((image_px, image_px), Image.Resampling.BICUBIC)
    except UnidentifiedImageError:
        # Pillow's own message names a memory address instead of the file.
        raise MediaError(f"{len(data)} bytes of no known image format") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(str(error)) from error
    values = torch.from_numpy(np.array(squashed)).permute(2, 0, 1).float() / 255
    return (values - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
