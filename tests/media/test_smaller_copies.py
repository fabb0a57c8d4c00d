"""A smaller copy (`--max-side`) has the same pixels as the stream's resize of the original, for every image kind."""

import io

import numpy as np
import pytest
from PIL import Image
from toy_pictures import BICUBIC, JPEGS, drawn, png, saved, shown, turned_by_exif

from ib_data.media.coded import read_image
from ib_data.media.faults import MediaError
from ib_data.media.opened_image import open_image
from ib_data.media.thumbnail import thumbnail

pytestmark = pytest.mark.usefixtures("no_catalog")

MAX_SIDE = 40
SIZE = (40, 30)


def striped(size: tuple[int, int] = (67, 51)) -> Image.Image:
    """Lines of two colours that only a good filter preserves."""
    values = np.where(np.arange(size[1])[:, None] % 7 == 0, 0, 255).astype(np.uint8)
    return Image.fromarray(np.repeat(values, size[0], axis=1))


def clear(image: Image.Image, mode: str = "RGBA") -> Image.Image:
    """The image with its left half transparent."""
    image = image.convert(mode)
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, image.width // 2, image.height))
    image.putalpha(alpha)
    return image


def of_16_bits() -> bytes:
    values = np.random.default_rng(1).integers(0, 2**16, (51, 67), dtype=np.uint16)
    return png(67, 51, 16, 0, b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))


WHITE = Image.new("RGB", (67, 51), "white")
LOSSLESS = {
    "RGB": saved(drawn(), "PNG"),
    "grey": saved(drawn().convert("L"), "PNG"),
    "grey with alpha": saved(clear(striped(), "LA"), "PNG"),
    "transparent white": saved(clear(WHITE), "PNG"),
    "RGB with alpha": saved(clear(drawn()), "PNG"),
    "palette": saved(drawn().quantize(16), "PNG"),
    "palette of two colours": saved(striped().convert("P"), "PNG"),
    "palette with a transparent colour": saved(drawn().quantize(16), "PNG", transparency=3),
    "palette with alpha": saved(drawn().quantize(16), "PNG", transparency=bytes(range(0, 160, 10))),
    "RGB with a transparent colour": saved(drawn(), "PNG", transparency=(1, 2, 3)),
    "two colours": saved(striped().convert("1"), "PNG"),
    "16 bits": of_16_bits(),
    "interlaced text": saved(drawn(), "PNG", dpi=(300, 300)),
    "GIF": saved(drawn().quantize(16), "GIF"),
    "GIF with a transparent colour": saved(drawn().quantize(16), "GIF", transparency=3),
    "GIF, animated": saved(drawn(), "GIF", save_all=True, append_images=[drawn(seed=1)]),
    "PNG, animated": saved(drawn(), "PNG", save_all=True, append_images=[drawn(seed=1)]),
    "WEBP, lossless": saved(drawn(), "WEBP", lossless=True),
    "WEBP, lossless with alpha": saved(clear(WHITE), "WEBP", lossless=True, exact=True),
}
LOSSY = {
    **{name: data for name, data in JPEGS.items() if name not in ("1 x 1", "3 x 2")},
    "WEBP": saved(drawn(), "WEBP"),
    "WEBP with alpha": saved(clear(drawn()), "WEBP"),
    "WEBP, animated": saved(drawn(), "WEBP", save_all=True, append_images=[drawn(seed=1)]),
    "two views in one file": saved(drawn(), "MPO", save_all=True, append_images=[drawn(seed=1)]),
}


def expected(data: bytes, size: tuple[int, int]) -> np.ndarray:
    """The stream's resize of the original, by its own decoding and filter."""
    values = read_image(data).decode(1)
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    return np.asarray(image.resize(size, BICUBIC).convert("RGB")).astype(int)


@pytest.mark.parametrize("name", LOSSLESS)
def test_what_is_stored_without_loss_stays_so(name: str) -> None:
    copy = open_image(LOSSLESS[name], MAX_SIDE)
    assert (copy.extension, copy.width, copy.height) == ("png", *SIZE)
    with Image.open(io.BytesIO(copy.data)) as image:
        assert (image.format, image.size) == ("PNG", SIZE)
        assert image.mode in ("RGB", "L")
        assert np.array_equal(np.asarray(image.convert("RGB")), expected(LOSSLESS[name], SIZE))


@pytest.mark.parametrize("name", LOSSY)
def test_what_is_stored_with_loss_is_near(name: str) -> None:
    copy = open_image(LOSSY[name], MAX_SIDE)
    assert copy.extension == "jpg"
    assert max(copy.width, copy.height) == MAX_SIDE
    with Image.open(io.BytesIO(copy.data)) as image:
        assert (image.format, image.size) == ("JPEG", (copy.width, copy.height))
        difference = np.abs(np.asarray(image.convert("RGB")) - expected(LOSSY[name], image.size))
    assert np.percentile(difference, 99) <= 12
    assert difference.max() <= 30


def test_the_stream_shows_the_ground_of_a_transparent_image_and_the_lines_of_a_drawing() -> None:
    assert shown(open_image(LOSSLESS["transparent white"], MAX_SIDE).data, 16).min() == 255
    for name in ("two colours", "palette of two colours"):
        original = shown(LOSSLESS[name], 16).astype(int)
        assert np.abs(shown(open_image(LOSSLESS[name], MAX_SIDE).data, 16) - original).max() <= 30


def test_a_copy_carries_no_orientation_and_no_profile() -> None:
    for data in (turned_by_exif(), JPEGS["profile"]):
        with Image.open(io.BytesIO(open_image(data, MAX_SIDE).data)) as image:
            assert not image.getexif()
            assert "icc_profile" not in image.info
            assert image.size == SIZE


@pytest.mark.parametrize("name", LOSSLESS)
def test_an_image_that_is_small_enough_stays_as_it_is(name: str) -> None:
    assert open_image(LOSSLESS[name], 67).data == LOSSLESS[name]


def test_half_an_image_becomes_no_smaller_one() -> None:
    data = JPEGS["large"]
    with pytest.raises(MediaError, match="is not a whole image"):
        open_image(data[: len(data) // 2] + b"\xff\xd9", MAX_SIDE)


def test_of_a_thin_image_a_line_is_left() -> None:
    copy = open_image(saved(drawn((400, 2))), MAX_SIDE)
    assert (copy.width, copy.height) == (40, 1)


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_thumbnail_is_a_small_jpeg_of_what_the_stream_shows(name: str) -> None:
    with Image.open(io.BytesIO(thumbnail(LOSSLESS[name], "image", 40))) as small:
        assert (small.format, small.mode, max(small.size)) == ("JPEG", "RGB", 40)
        assert thumbnail(LOSSLESS[name], "image", 10**6) != b""
