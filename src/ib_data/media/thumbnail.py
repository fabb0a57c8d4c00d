"""Small JPEG copies, for pages."""

import io

from PIL import Image

from ib_data.media.coded import read_image
from ib_data.media.frames import frames
from ib_data.media.jpeg import LARGEST_DIVISOR

_QUALITY = 82


def thumbnail(data: bytes, kind: str, max_px: int) -> bytes:
    """A JPEG of at most `max_px` on a side, of an image or of the middle frame of a clip ("video").

    Never larger than the original. Raises MediaError for damaged data.
    """
    if kind == "video":
        (frame,) = frames(data, 1)
        small = Image.fromarray(frame)
    else:
        image = read_image(data)
        divisor = LARGEST_DIVISOR
        while divisor > 1 and max(image.width, image.height) < divisor * max_px:
            divisor //= 2
        values = image.decode(divisor)
        small = (values if isinstance(values, Image.Image) else Image.fromarray(values)).convert("RGB")
    small.thumbnail((max_px, max_px))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
