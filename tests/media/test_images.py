"""Stored bytes to pixels: the same values as Pillow's, or a clear error."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import toy_clips
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from toy_pictures import BICUBIC, JPEGS, OTHERS, drawn, png, saved, shown, turned_by_exif

from ib_data.errors import MissingExtraError
from ib_data.media.frames import frames
from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions


def by_pillow(data: bytes, image_px: int = 224) -> NDArray[np.uint8]:
    """The transform that LAVIS evaluates with."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((image_px, image_px), BICUBIC))


@pytest.mark.parametrize("name", [*JPEGS, *OTHERS])
def test_pixels_are_those_of_pillow(name: str) -> None:
    data = {**JPEGS, **OTHERS}[name]
    values = shown(data)
    assert values.shape == (224, 224, 3)
    assert values.dtype == np.uint8
    assert values.flags.writeable
    assert values.flags.c_contiguous
    assert np.array_equal(values, by_pillow(data))


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    quality=st.integers(5, 100),
    subsampling=st.integers(0, 2),
    progressive=st.booleans(),
    image_px=st.integers(1, 60),
)
def test_any_size_and_any_quality_is_that_of_pillow(
    width: int, height: int, quality: int, subsampling: int, progressive: bool, image_px: int
) -> None:
    data = saved(drawn((width, height)), quality=quality, subsampling=subsampling, progressive=progressive)
    assert np.array_equal(shown(data, image_px), by_pillow(data, image_px))


def test_orientation_in_exif_is_not_applied() -> None:
    values = shown(turned_by_exif(), 51).astype(int)
    stored = drawn().resize((51, 51), BICUBIC)
    turned = stored.transpose(Image.Transpose.ROTATE_270)
    assert np.abs(values - np.asarray(stored)).mean() < np.abs(values - np.asarray(turned)).mean() / 4


def test_a_decoder_that_undoes_adobes_inversion_shows_cmyk_right() -> None:
    red = shown(saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0))), 4)
    assert red[..., 0].min() > 240
    assert red[..., 1:].max() < 15


def test_an_alpha_channel_is_dropped() -> None:
    image = drawn()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    expected = np.asarray(drawn().resize((32, 32), BICUBIC))
    assert np.array_equal(shown(saved(image, "PNG"), 32), expected)
    assert np.array_equal(shown(saved(image, "WEBP", lossless=True, exact=True), 32), expected)


def test_transparent_palette_colours_show_as_they_are() -> None:
    palette = drawn().quantize(16)
    expected = np.asarray(palette.convert("RGB").resize((32, 32), BICUBIC))
    assert np.array_equal(shown(saved(palette, "PNG", transparency=bytes(range(0, 160, 10))), 32), expected)
    assert np.array_equal(shown(saved(palette, "PNG", transparency=3), 32), expected)
    gray = drawn().convert("L")
    expected = np.asarray(gray.convert("RGB").resize((32, 32), BICUBIC))
    assert np.array_equal(shown(saved(gray, "PNG", transparency=128), 32), expected)


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (4, 2), (2, 3), (6, 4)])
def test_of_16_bits_the_higher_8_are_kept(colour_type: int, channels: int) -> None:
    """Colour types: grey, grey with alpha, RGB, RGB with alpha."""
    high = np.random.default_rng(1).integers(0, 256, (8, 8, channels), dtype=np.uint8)
    samples = np.stack([high, 255 - high], axis=-1).reshape(8, -1)
    values = shown(png(8, 8, 16, colour_type, b"".join(b"\0" + row.tobytes() for row in samples)), 8)
    colours = high[..., :3] if channels > 2 else np.repeat(high[..., :1], 3, axis=-1)
    assert np.array_equal(values, colours)


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_shown(image_format: str) -> None:
    first, second = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))
    data = saved(first, image_format, save_all=True, append_images=[second])
    values = shown(data, 4)
    assert values[..., 0].min() > 240
    assert values[..., 2].max() < 15


def test_a_wrong_file_name_does_not_matter() -> None:
    """Crawled images are often PNG or WEBP files called .jpg: the bytes alone say what they are."""
    for data in OTHERS.values():
        assert shown(data, 8).shape == (8, 8, 3)


def test_clips_give_the_middle_frames() -> None:
    pytest.importorskip("av")
    clip = toy_clips.clip(20)
    values = pixels(clip, "video", ImageOptions(image_px=40))
    expected = [np.asarray(Image.fromarray(frame).resize((40, 40), BICUBIC)) for frame in frames(clip)]
    assert values.shape == (4, 40, 40, 3)
    assert np.array_equal(values, np.stack(expected))


def test_frames_of_a_clip_are_augmented_alike() -> None:
    pytest.importorskip("av")
    clip = toy_clips.clip(20, codec="libx264rgb", pixels="rgb24", options={"qp": "0"})
    options = ImageOptions(image_px=40, augment="blip2")
    values = pixels(clip, "video", options, seed=5, position=6).astype(int)
    # Every frame shows the same white bar over another colour: a crop that differs would move its edge.
    red = values[..., 0]
    edges = (red < (red[:, -1:] + 255) / 2).argmax(axis=1)
    assert (edges == edges[0, 0]).all()
    assert not np.array_equal(values[0], values[3])


@pytest.mark.parametrize("size", [(90, 70), (500, 333), (40, 200), (56, 56), (1, 3)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_fast_is_within_2_where_nothing_is_shrunk_first(size: tuple[int, int], mode: str) -> None:
    data = saved(drawn(size).convert(mode), quality=95)
    exact, fast = (shown(data, 130, decode=decode).astype(int) for decode in ("exact", "fast"))
    assert np.abs(fast - exact).max() <= 2
    assert fast.shape == (130, 130, 3)


def test_fast_shrinks_large_photos_first_and_stays_near() -> None:
    large = JPEGS["large"]
    difference = np.abs(shown(large, 56, decode="fast").astype(int) - shown(large, 56))
    assert difference.max() > 1
    assert 0 < difference.mean() < 1


def test_fast_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"decode \"fast\" needs torch: pip install 'ib-data\[train\]'"):
        shown(JPEGS["large"], decode="fast")


def photos(real: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((real / "media").rglob("*.jpg"))]


@pytest.mark.real
def test_real_photos_are_those_of_pillow(real: Path) -> None:
    found = photos(real)
    assert len(found) > 100
    assert all(np.array_equal(shown(data), by_pillow(data)) for data in found)


@pytest.mark.real
def test_fast_stays_near_on_real_photos(real: Path) -> None:
    """The bounds that the docstring of ImageOptions gives, with a little room for another libjpeg."""
    differences = [shown(data, decode="fast").astype(float) - shown(data) for data in photos(real)]
    noise = [10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-9)) for difference in differences]
    assert np.median([(difference != 0).mean() for difference in differences]) < 0.01
    assert np.median([np.abs(difference).max() for difference in differences]) == 1
    assert np.median(noise) > 70
    assert min(noise) > 50
