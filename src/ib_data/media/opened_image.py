"""Verifies that an image opens, and gives its size, format and checksum.

A smaller copy (`--max-side`) is made from the pixels that the stream shows, with its filter. Lossy files (JPEG and
most WEBP) become a JPEG of quality 95 with colours at full resolution; everything else becomes a PNG, which is exact.
A copy holds only pixels: no transparency, which the stream drops, no colour profile, and no orientation, so that no
reader rotates what the stream does not.

A PNG copy equals the stream's resize of the original. In JPEG copies of 60 real images 99% of the values were within 10
of 255 of it, and all within 26; with colours at half resolution, files are a fourth smaller, but it was 33 and 158.
"""

import hashlib
import io
from dataclasses import dataclass

from PIL import Image

from ib_data.media.coded import CodedImage, read_image

EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp"}
JPEG_QUALITY = 95
# The chunks of a WEBP file that hold pixels: lossy and lossless.
_WEBP_LOSSY, _WEBP_LOSSLESS = b"VP8 ", b"VP8L"


@dataclass(frozen=True, slots=True)
class Opened:
    """The bytes of a valid image or clip, with its size in pixels and the checksum of the bytes.

    `source_px` is the width and height before it was made smaller.
    """

    data: bytes
    extension: str
    width: int
    height: int
    sha256: str
    source_px: tuple[int, int]


def open_image(data: bytes, max_side: int | None = None) -> Opened:
    """The image in `data`, after decoding all of it once; a smaller copy only if it exceeds `max_side` (pixels).

    Raises MediaError for an empty file, a file that is not an image, one cut short, and one of absurd size.
    """
    coded = read_image(data)
    if max_side and max(coded.width, coded.height) > max_side:
        return _smaller(data, coded, max_side)
    coded.check()
    size, digest = (coded.width, coded.height), hashlib.sha256(data).hexdigest()
    return Opened(data, EXTENSIONS[coded.format], *size, digest, source_px=size)


def _smaller(data: bytes, coded: CodedImage, max_side: int) -> Opened:
    values = coded.decode(1)
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    scale = max_side / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    if coded.format == "JPEG" or (coded.format == "WEBP" and _is_lossy(data)):
        extension = "jpg"
        small.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        extension = "png"
        small.save(out, "PNG")
    digest = hashlib.sha256(out.getvalue()).hexdigest()
    return Opened(out.getvalue(), extension, width, height, digest, source_px=(coded.width, coded.height))


def _is_lossy(webp: bytes) -> bool:
    lossless = webp.find(_WEBP_LOSSLESS)
    return lossless < 0 or -1 < webp.find(_WEBP_LOSSY) < lossless
