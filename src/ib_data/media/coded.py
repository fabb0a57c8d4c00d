"""The one definition of a whole image, and its pixels.

One rule for each unusual image: grey is repeated in three channels; CMYK goes by Pillow's conversion, Adobe's inversion
undone; an alpha channel or a transparent colour is dropped, not blended; of 16 bits the higher 8 are kept; of an
animation the first frame; a colour profile and an orientation in EXIF are passed over, so that a photo shows as it is
stored.

JPEG files are decoded by simplejpeg, PNG, GIF and WEBP files by Pillow. A JPEG file of odd sampling factors, which
simplejpeg cannot read, is left to Pillow too; of those alone, half a file with its end mark put back is not found.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image, JpegImagePlugin, WebPImagePlugin
from PIL.PngImagePlugin import PngImageFile

from ib_data.media import jpeg, png
from ib_data.media.faults import MediaError, check_size, translate_decoder_errors
from ib_data.media.pillow import OWN_SWITCHES

Values = Image.Image | NDArray[np.uint8]
"""An image of mode RGB, or L where it is grey; or uint8 (H, W, 3), or (H, W)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedImage:
    """An image whose header is read: its format (JPEG, PNG, GIF or WEBP) and size in pixels.

    `decode` gives its values; a JPEG may be decoded at 1 / divisor (1, 2, 4 or 8) of its size, others disregard it.
    `check` decodes it as cheaply as may be. Both raise MediaError for an image that is not whole: the same ones.
    """

    format: str
    width: int
    height: int
    decode: Callable[[int], Values]
    check: Callable[[], object]


def read_image(data: bytes) -> CodedImage:
    """The image in `data`, nothing decoded yet.

    Raises MediaError for an empty file, something that is no image of a known format, and one of absurd size.
    """
    if not data:
        raise MediaError("the file is empty")
    if data.startswith(jpeg.SIGNATURE):
        return _jpeg(data)
    if data.startswith(png.SIGNATURE):
        return _by_pillow("PNG", PngImageFile, png.needed_chunks(data))
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _by_pillow("GIF", GifImagePlugin.GifImageFile, data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _by_pillow("WEBP", WebPImagePlugin.WebPImageFile, data)
    raise MediaError("is of no known image format")


def _jpeg(data: bytes) -> CodedImage:
    header = jpeg.read_header(data)
    if header is None:
        return _by_pillow("JPEG", JpegImagePlugin.JpegImageFile, data)
    check_size(header.width, header.height)

    def decode(divisor: int) -> Values:
        with translate_decoder_errors():
            values = jpeg.decode(data, header, divisor)
        if values is None:
            return _by_pillow("JPEG", JpegImagePlugin.JpegImageFile, data).decode(divisor)
        if header.values == "CMYK":
            size = values.shape[1], values.shape[0]
            return Image.frombytes("CMYK", size, (255 - values).tobytes()).convert("RGB")
        return values[..., 0] if header.values == "GRAY" else values

    def check() -> None:
        # An eighth of the scale still reads every coded byte.
        with translate_decoder_errors():
            values = jpeg.decode(data, header, jpeg.LARGEST_DIVISOR)
        if values is None:
            _by_pillow("JPEG", JpegImagePlugin.JpegImageFile, data).check()

    return CodedImage(format="JPEG", width=header.width, height=header.height, decode=decode, check=check)


def _by_pillow(name: str, plugin: Callable[[Any], Any], data: bytes) -> CodedImage:
    """As `read_image`, of a format that Pillow decodes. Its class for it, as `Image.open` warns of what is harmless."""
    with OWN_SWITCHES:
        try:
            width, height = plugin(io.BytesIO(data)).size
        except (SyntaxError, IndexError, TypeError, KeyError, EOFError, ValueError, OSError) as error:
            raise MediaError("is of no known image format") from error
    check_size(width, height)

    def load(divisor: int) -> Any:
        with OWN_SWITCHES, translate_decoder_errors():
            image = plugin(io.BytesIO(data))  # each time: Pillow keeps what it decoded, at the scale it was asked for
            if divisor > 1:
                image.draft(None, (max(width // divisor, 1), max(height // divisor, 1)))
            image.load()
        return image

    def decode(divisor: int) -> Values:
        with translate_decoder_errors():
            return _three_channels(load(divisor))

    return CodedImage(format=name, width=width, height=height, decode=decode, check=lambda: load(8))


def _three_channels(image: Any) -> Image.Image:
    """The image in mode RGB, or L for grey, as the head of this file says."""
    # Pillow warns of a transparent colour that is lost, and versions of it differ in what they do with 16 bits.
    image.info.pop("transparency", None)
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    plain: Image.Image = image if image.mode == "L" else image.convert("RGB")
    return plain
