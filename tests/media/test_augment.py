"""The published augmentations: (seed, position) alone decide boxes, flips and operations."""

import io
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ib_data.keyed import keyed_unit
from ib_data.media.augment import AREA_SHARES, OPERATIONS, WIDEST, apply, draw_augmentation, draw_box
from ib_data.media.pixels import pixels
from ib_data.stream_options import AUGMENTS, ImageOptions

GREY = (128, 128, 128)
# Changing one of these changes what every run with an augmentation has seen.
GOLDEN_BOXES = [
    (58, 38, 611, 479),
    (72, 10, 500, 406),
    (81, 23, 623, 474),
    (51, 25, 475, 469),
    (89, 13, 516, 418),
    (152, 35, 617, 479),
]
GOLDEN_FLIPS = [True, True, False, False, True, False]
GOLDEN_OPERATIONS = [
    (),
    (("TranslateY", 1), ("TranslateY", 1)),
    (("Brightness", 1),),
    (("Sharpness", -1),),
    (),
    (("AutoContrast", -1),),
]
GOLDEN_MILD_BOXES = [(48, 0, 636, 471), (3, 0, 587, 480), (10, 1, 614, 475)]
GOLDEN_UNITS = [0.8975275247270438, 0.5597298414259648]


def marked() -> Image.Image:
    """Black, with one white point off the centre."""
    image = Image.new("RGB", (60, 60))
    image.putpixel((20, 15), (255, 255, 255))
    return image


def mark(image: Image.Image) -> tuple[float, float]:
    """The mean position of the white point, in pixels from the left and the top, without grey borders."""
    values = np.asarray(image).astype(float).max(axis=-1)
    values[np.all(np.asarray(image) == GREY, axis=-1)] = 0
    values[:10], values[-10:], values[:, :10], values[:, -10:] = 0, 0, 0, 0
    rows, columns = np.indices(values.shape)
    return float((columns * values).sum() / values.sum()), float((rows * values).sum() / values.sum())


def photo(size: tuple[int, int] = (150, 140)) -> bytes:
    blots = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(blots).resize(size, Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    position=st.integers(0, 2**62),
    shares=st.sampled_from(sorted(set(AREA_SHARES.values()))),
)
def test_boxes_lie_inside_and_keep_the_ratios(
    width: int, height: int, position: int, shares: tuple[float, float]
) -> None:
    left, top, right, bottom = draw_box(width, height, shares, seed=0, position=position)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    # Rounding moves each side by half a pixel at most.
    assert (right - left - 0.5) / (bottom - top + 0.5) <= WIDEST
    assert (bottom - top - 0.5) / (right - left + 0.5) <= WIDEST


@pytest.mark.parametrize("shares", [(0.9, 1.0), (0.5, 1.0)])
def test_boxes_cover_the_published_shares_of_the_area(shares: tuple[float, float]) -> None:
    width, height = 1200, 1100
    boxes = [draw_box(width, height, shares, seed=3, position=p) for p in range(2000)]
    found = [(right - left) * (bottom - top) / (width * height) for left, top, right, bottom in boxes]
    least, most = shares
    assert least - 0.002 <= min(found) < least + 0.1 * (most - least)
    assert most - 0.1 * (most - least) < max(found) <= most
    # Offsets reach both ends, and the ratio leans to neither side.
    assert min(left for left, *_ in boxes) == 0
    assert max(right for *_, right, _ in boxes) == width
    ratios = [math.log((right - left) / (bottom - top)) for left, top, right, bottom in boxes]
    assert abs(float(np.mean(ratios))) < 0.1


def test_a_panorama_gives_its_largest_central_box() -> None:
    assert draw_box(1000, 30, (0.9, 1.0), seed=0, position=0) == (480, 0, 520, 30)
    assert draw_box(30, 1000, (0.9, 1.0), seed=0, position=0) == (0, 480, 30, 520)
    assert draw_box(1, 1, (0.9, 1.0), seed=0, position=0) == (0, 0, 1, 1)


def test_a_mild_crop_of_a_photo_of_three_by_two_is_always_its_central_box() -> None:
    """No box of nine tenths of it has a ratio of 4/3 or less; torchvision's crop does the same."""
    boxes = {draw_augmentation("mild", 640, 427, seed=0, position=p).box for p in range(50)}
    assert boxes == {(35, 0, 604, 427)}


def test_golden_augmentations() -> None:
    drawn = [draw_augmentation("blip", 640, 480, seed=7, position=p) for p in range(6)]
    assert [d.box for d in drawn] == GOLDEN_BOXES
    assert [d.is_flipped for d in drawn] == GOLDEN_FLIPS
    assert [d.operations for d in drawn] == GOLDEN_OPERATIONS
    assert [draw_augmentation("mild", 640, 480, seed=7, position=p).box for p in range(3)] == GOLDEN_MILD_BOXES


def test_none_takes_all_and_mild_neither_flips_nor_changes_colours() -> None:
    assert draw_augmentation("none", 640, 480, seed=0, position=1).box == (0, 0, 640, 480)
    for position in range(50):
        mild = draw_augmentation("mild", 640, 480, seed=0, position=position)
        assert not mild.is_flipped
        assert mild.operations == ()


def test_blip2_flips_every_second_picture() -> None:
    drawn = [draw_augmentation("blip2", 64, 48, seed=0, position=p) for p in range(2000)]
    assert 900 < sum(d.is_flipped for d in drawn) < 1100
    assert all(d.operations == () for d in drawn)


def test_blip_draws_each_operation_with_both_signs() -> None:
    drawn = [draw_augmentation("blip", 64, 48, seed=0, position=p) for p in range(4000)]
    done = Counter(len(d.operations) for d in drawn)
    # Two operations, each done every second time.
    assert done[0] / 4000 == pytest.approx(0.25, abs=0.03)
    assert done[1] / 4000 == pytest.approx(0.5, abs=0.03)
    names = Counter(name for d in drawn for name, _ in d.operations)
    assert set(names) == set(OPERATIONS)
    assert all(300 < count < 500 for count in names.values())
    signs = Counter(sign for d in drawn for _, sign in d.operations)
    assert set(signs) == {1, -1}
    assert signs[1] / sum(signs.values()) == pytest.approx(0.5, abs=0.03)


def test_blip_and_blip2_crop_alike() -> None:
    for position in range(20):
        first, second = (draw_augmentation(a, 64, 48, seed=0, position=position) for a in ("blip", "blip2"))
        assert (first.box, first.is_flipped) == (second.box, second.is_flipped)


@pytest.mark.parametrize(
    ("name", "sign", "expected"),
    [
        ("TranslateX", 1, (15, 15)),
        ("TranslateX", -1, (25, 15)),
        ("TranslateY", 1, (20, 10)),
        ("TranslateY", -1, (20, 20)),
        ("ShearX", 1, (20 - 0.15 * 15.5, 15)),
        ("ShearY", -1, (20, 15 + 0.15 * 20.5)),
        ("Rotate", 1, (29.5 - 9.5 * math.cos(math.pi / 12) - 14.5 * math.sin(math.pi / 12), None)),
        ("Identity", 1, (20, 15)),
        ("Brightness", 1, (20, 15)),
        ("Sharpness", -1, (20, 15)),
    ],
)
def test_operations_move_a_point_by_the_published_amounts(
    name: str, sign: int, expected: tuple[float, float | None]
) -> None:
    x, y = mark(OPERATIONS[name](marked(), sign))
    assert x == pytest.approx(expected[0], abs=0.5)
    if expected[1] is not None:
        assert y == pytest.approx(expected[1], abs=0.5)


def test_what_lies_outside_is_grey() -> None:
    for name in ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"):
        corners = np.asarray(OPERATIONS[name](marked(), 1))[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == GREY).all(axis=-1).any(), name


def test_contrast_operations_use_the_full_range() -> None:
    dull = Image.linear_gradient("L").resize((60, 60)).point(lambda v: 100 + v // 8).convert("RGB")
    for name in ("AutoContrast", "Equalize"):
        values = np.asarray(OPERATIONS[name](dull, 1))
        assert (values.min(), values.max()) == (0, 255), name


def test_a_flip_mirrors() -> None:
    change = next(d for p in range(9) if (d := draw_augmentation("blip2", 60, 60, seed=0, position=p)).is_flipped)
    assert np.array_equal(np.asarray(apply(change, marked())), np.asarray(marked())[:, ::-1])


@pytest.mark.parametrize("augment", list(AREA_SHARES))
def test_the_same_position_gives_the_same_pixels_and_another_gives_others(augment: str) -> None:
    data, options = photo(), ImageOptions(image_px=32, augment=augment)
    shown = [pixels(data, "image", options, seed=1, position=p) for p in (4, 4, 5)]
    assert np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[0], shown[2])
    assert not np.array_equal(shown[0], pixels(data, "image", options, seed=2, position=4))


def test_without_augmentation_the_position_does_not_matter() -> None:
    data, options = photo(), ImageOptions(image_px=32)
    assert np.array_equal(pixels(data, "image", options), pixels(data, "image", options, seed=3, position=9))


def test_the_crop_is_resized_out_of_its_box() -> None:
    data, options = photo(), ImageOptions(image_px=32, augment="mild")
    box = draw_augmentation("mild", 150, 140, seed=0, position=11).box
    expected = Image.open(io.BytesIO(data)).resize((32, 32), Image.Resampling.BICUBIC, box=box)
    assert np.array_equal(pixels(data, "image", options, position=11), np.asarray(expected))


def test_a_picture_of_one_pixel_survives_every_augmentation() -> None:
    for augment in AREA_SHARES:
        for position in range(20):
            options = ImageOptions(image_px=8, augment=augment)
            assert pixels(photo((1, 1)), "image", options, position=position).shape == (8, 8, 3)


def test_uniform_numbers() -> None:
    drawn = [keyed_unit(0, "test", n) for n in range(2000)]
    assert 0 <= min(drawn) < 0.01
    assert 0.99 < max(drawn) < 1
    assert sum(drawn) / 2000 == pytest.approx(0.5, abs=0.03)
    assert drawn[:2] == GOLDEN_UNITS


def test_what_can_be_chosen_is_what_there_is() -> None:
    assert ("none", *AREA_SHARES) == AUGMENTS
