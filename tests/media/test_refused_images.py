"""A damaged image is an error and is never shown in part."""

import struct

import numpy as np
import pytest
from toy_pictures import JPEGS, OTHERS, drawn, png, saved, shown

from ib_data.errors import IbDataError
from ib_data.media.faults import MAX_PIXELS, MediaError
from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions


@pytest.mark.parametrize("name", ["4:2:0", "progressive", "restarts", "gray", "CMYK", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("augment", ["none", "blip"])
def test_a_file_cut_anywhere_is_refused_unless_all_pixels_are_there(name: str, augment: str) -> None:
    data = {**JPEGS, **OTHERS}[name]
    whole = shown(data, 16, augment=augment)
    refused = 0
    for length in range(0, len(data), 7 if augment == "none" else 101):
        try:
            assert np.array_equal(shown(data[:length], 16, augment=augment), whole)
        except MediaError:
            refused += 1
    assert refused >= length // 101


def test_a_cut_jpeg_with_its_end_mark_put_back_is_refused() -> None:
    data = JPEGS["large"]
    with pytest.raises(MediaError, match="not a whole image"):
        shown(data[: len(data) // 2] + b"\xff\xd9")


def test_harmless_bytes_after_the_data_do_not_matter() -> None:
    data = JPEGS["4:2:0"]
    assert np.array_equal(shown(data[:-2] + b"\0" * 9 + data[-2:]), shown(data))
    assert np.array_equal(shown(data + b"\0" * 9), shown(data))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"no picture", "of no known image format"),
        (b"\xff\xd8\xff", "of no known image format"),
        (b"\xff\xd8\xff\xe0" + b"vqav2 0" * 5, "no known image format|not a whole image"),
        (saved(drawn(), "BMP"), "of no known image format"),
        (saved(drawn(), "TIFF"), "of no known image format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "of no known image format"),
        (b"GIF89a\0\0\0\0\0\0\0;", "no known image format|not a whole image|shows nothing"),
    ],
    ids=["empty", "text", "mark", "head", "BMP", "TIFF", "SVG", "GIF of nothing"],
)
def test_what_is_no_picture_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        shown(data)


def test_size_bombs_are_refused_by_their_header() -> None:
    side = 65_000
    assert side * side > MAX_PIXELS
    jpeg = JPEGS["4:2:0"]
    start = jpeg.index(b"\xff\xc0") + 5
    for data in (
        jpeg[:start] + struct.pack(">HH", side, side) + jpeg[start + 4 :],
        png(side, side, 8, 2, b"\0" * 100),
        b"GIF89a" + struct.pack("<HH", side, side) + saved(drawn().quantize(4), "GIF")[10:],
    ):
        with pytest.raises(MediaError, match="65000 x 65000 pixels: refused as a size bomb"):
            shown(data)


def test_a_header_that_promises_more_than_the_data_hold_is_refused() -> None:
    with pytest.raises(MediaError, match="not a whole image"):
        shown(png(900, 900, 8, 2, b"\0" * 100))


def test_a_broken_clip_is_refused() -> None:
    pytest.importorskip("av")
    with pytest.raises(MediaError):
        pixels(b"no clip", "video", ImageOptions())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image_px": 0}, "image_px: expected an integer from 1 to 4,096, found 0"),
        ({"image_px": 4097}, "image_px: expected an integer from 1 to 4,096, found 4097"),
        ({"image_px": 10**6}, "found 1000000"),
        ({"image_px": True}, "found True"),
        ({"image_px": 2.5}, "found 2.5"),
        ({"image_px": "224"}, "found '224'"),
        ({"decode": "exakt"}, "decode: unknown value 'exakt'; did you mean 'exact'?"),
        ({"augment": "blip3"}, "augment: unknown value 'blip3'; did you mean 'blip'?"),
        ({"augment": "flip"}, "did you mean 'blip'"),
    ],
)
def test_options_out_of_range_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(IbDataError, match=said.replace("?", r"\?")):
        ImageOptions(**changes)  # type: ignore[arg-type]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(IbDataError, match="unknown kind of media 'image/jpeg'; did you mean 'image'"):
        pixels(JPEGS["4:2:0"], "image/jpeg", ImageOptions())
