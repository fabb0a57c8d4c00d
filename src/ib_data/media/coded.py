"""Decides which images are valid, and decodes their pixels.

Unusual images: grey is repeated in three channels; CMYK uses Pillow's conversion, with Adobe's inversion undone; an
alpha channel or a transparent colour is dropped, not blended; of 16 bits the upper 8 are kept; of an animation the
first frame; colour profiles and EXIF orientation are ignored, so an image shows as it is stored.

simplejpeg decodes JPEG files, Pillow decodes PNG, GIF and WEBP. Pillow also decodes JPEG files with odd sampling
factors, which simplejpeg cannot read; only among those, half a file whose end marker was restored is not detected.
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
"""An image of mode RGB, or L if it is grey; or uint8 (H, W, 3) or (H, W)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedImage:
    """An image with its header read: format (JPEG, PNG, GIF or WEBP) and size in pixels.

    `decode` gives its values; a JPEG can be decoded at 1 / divisor (1, 2, 4 or 8) of its size, other formats ignore
    the divisor. `check` decodes as cheaply as possible. Both raise MediaError for the same damaged images.
    """

    format: str
    width: int
    height: int
    decode: Callable[[int], Values]
    check: Callable[[], object]


def read_image(data: bytes) -> CodedImage:
    """The image in `data`, with nothing decoded yet.

    Raises MediaError for an empty file, for anything but an image of a known format, and for an absurd size.
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
        # Decoding at an eighth of the size still reads every coded byte.
        with translate_decoder_errors():
            values = jpeg.decode(data, header, jpeg.LARGEST_DIVISOR)
        if values is None:
            _by_pillow("JPEG", JpegImagePlugin.JpegImageFile, data).check()

    return CodedImage(format="JPEG", width=header.width, height=header.height, decode=decode, check=check)


def _by_pillow(name: str, plugin: Callable[[Any], Any], data: bytes) -> CodedImage:
    """Like `read_image`, for a format of Pillow. Uses the plugin class: `Image.open` warns about harmless things."""
    with OWN_SWITCHES:
        try:
            width, height = plugin(io.BytesIO(data)).size
        except (SyntaxError, IndexError, TypeError, KeyError, EOFError, ValueError, OSError) as error:
            raise MediaError("is of no known image format") from error
    check_size(width, height)

    def load(divisor: int) -> Any:
        with OWN_SWITCHES, translate_decoder_errors():
            image = plugin(io.BytesIO(data))  # each time: Pillow keeps what it decoded, at the scale asked for
            if divisor > 1:
                image.draft(None, (max(width // divisor, 1), max(height // divisor, 1)))
            image.load()
        return image

    def decode(divisor: int) -> Values:
        with translate_decoder_errors():
            return _three_channels(load(divisor))

    return CodedImage(format=name, width=width, height=height, decode=decode, check=lambda: load(8))


def _three_channels(image: Any) -> Image.Image:
    """The image in mode RGB, or L for grey, by the rules at the top of this file."""
    # Pillow warns when a transparent colour is lost, and its versions treat 16 bits differently.
    image.info.pop("transparency", None)
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    plain: Image.Image = image if image.mode == "L" else image.convert("RGB")
    return plain
