"""Drawn pictures of every stored kind, for tests."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions

BICUBIC = Image.Resampling.BICUBIC
ORIENTATION = 274


def drawn(size: tuple[int, int] = (67, 51), seed: int = 0) -> Image.Image:
    """Soft blots of colour: something that a JPEG keeps well."""
    blots = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(blots).resize(size, BICUBIC)


def saved(image: Image.Image, image_format: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def turned_by_exif() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return saved(drawn(), exif=exif)


def profiled() -> bytes:
    return saved(drawn(), icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


JPEGS = {
    "4:2:0": saved(drawn(), subsampling=2),
    "4:2:2": saved(drawn(), subsampling=1),
    "4:4:4": saved(drawn(), subsampling=0, quality=100),
    "large": saved(drawn((640, 427)), quality=90),
    "tall": saved(drawn((9, 400))),
    "progressive": saved(drawn(), progressive=True),
    "restarts": saved(drawn(), restart_marker_rows=1),
    "stored as RGB": saved(drawn(), keep_rgb=True),
    "gray": saved(drawn().convert("L")),
    "gray, large": saved(drawn((640, 480)).convert("L")),
    "CMYK": saved(drawn().convert("CMYK")),
    "1 x 1": saved(drawn((1, 1))),
    "3 x 2": saved(drawn((3, 2))),
    "orientation": turned_by_exif(),
    "profile": profiled(),
}
OTHERS = {
    "PNG": saved(drawn(), "PNG"),
    "PNG of two colours": saved(drawn().convert("1"), "PNG"),
    "PNG with a palette": saved(drawn().quantize(16), "PNG"),
    "PNG, gray": saved(drawn().convert("L"), "PNG"),
    "WEBP": saved(drawn(), "WEBP"),
    "GIF": saved(drawn().quantize(16), "GIF"),
}


def png(width: int, height: int, bits: int, colour_type: int, rows: bytes) -> bytes:
    """A PNG written by hand, for the kinds that Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def shown(data: bytes, image_px: int = 224, **options: str) -> NDArray[np.uint8]:
    return pixels(data, "image", ImageOptions(image_px=image_px, **options))
