"""Training images of the drawn world, and whether their labels are true."""

import numpy as np
import pytest

from ib_data.builders.miniature.ocrvqa import Book
from ib_data.builders.miniature.world.scene import ALL_COLOURS, KINDS, SIZES, Scene
from ib_data.builders.miniature.world.signs import Sign
from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions
from ib_data.training.backbones import labels, pictures

NUMBERS = range(60)
LAST_OF_A_MINIATURE = 40_000_000


@pytest.fixture(scope="module")
def shows():
    return [pictures.shown(number) for number in NUMBERS]


def test_the_same_images_twice_without_pickle(tmp_path):
    found = pictures.all_drawn(tmp_path, range(18, 24))
    assert found.dtype == np.uint8
    assert np.array_equal(found, [pictures.drawn(number) for number in range(18, 24)])
    (file,) = tmp_path.iterdir()
    assert np.array_equal(np.load(file, allow_pickle=False), found)
    before = file.stat().st_mtime_ns
    assert np.array_equal(pictures.all_drawn(tmp_path, range(18, 24)), found)
    assert file.stat().st_mtime_ns == before


def test_every_kind_of_image_is_there_and_none_of_a_miniature(shows):
    assert [sum(isinstance(one, kind) for one in shows) for kind in (Scene, Sign, Book)] == [45, 9, 6]
    ids = [one.image_id for number, one in zip(NUMBERS, shows, strict=True) if number % 20 < 14]
    assert min(ids) > LAST_OF_A_MINIATURE
    assert len(set(ids)) == len(ids)
    assert {one.number > LAST_OF_A_MINIATURE for one in shows if isinstance(one, Sign)} == {True}


def test_half_of_the_images_are_cropped():
    whole = [pixels(pictures.encoded(n), "image", ImageOptions(image_px=pictures.IMAGE_PX)) for n in NUMBERS]
    # The crop of `mild` is often the whole image.
    assert 10 <= sum(not np.array_equal(pictures.drawn(n), whole[n]) for n in NUMBERS) <= 40


def test_the_labels_of_cells_are_true_of_the_pixels(shows):
    cells, num_shapes = labels.cell_labels(shows), 0
    for number, one in zip(NUMBERS, shows, strict=True):
        if not isinstance(one, Scene):
            assert (cells["kind"][number] == labels.IGNORED).all()
            continue
        if number % 20 == 19:
            continue  # the words below a meme move its cells
        image = pixels(pictures.encoded(number), "image", ImageOptions(image_px=pictures.IMAGE_PX))
        for cell in range(labels.NUM_CELLS):
            row, column = divmod(cell, 3)
            seen = image[15 + 32 * row : 18 + 32 * row, 15 + 32 * column : 18 + 32 * column].mean((0, 1))
            colour = cells["colour"][number, cell]
            expected = tuple(ALL_COLOURS)[colour - 1] if colour else one.background
            assert np.abs(seen - ALL_COLOURS[expected]).max() < 30, (number, cell)
            num_shapes += colour > 0
    assert num_shapes > 100


def test_the_labels_of_a_scene_follow_its_shapes(shows):
    scene = shows[1]
    (cells, whole) = labels.cell_labels([scene]), labels.whole_labels([scene])
    for order, shape in enumerate(scene.shapes, 1):
        cell = 3 * shape.row + shape.column
        assert KINDS[cells["kind"][0, cell] - 1] == shape.kind
        assert SIZES[cells["size"][0, cell] - 1] == shape.size
        assert cells["order"][0, cell] == order
        assert cells["alike"][0, cell] == whole[f"count {shape.kind}"][0] == scene.count(shape.kind)
    assert (cells["kind"] > 0).sum() == whole["number"][0] == len(scene.shapes)
    assert whole["word"][0] == labels.IGNORED


def test_the_labels_of_signs_and_covers(shows):
    sign, cover = shows[14], shows[17]
    printed, whole = labels.print_labels([sign, cover]), labels.whole_labels([sign, cover])
    assert labels.WORDS[printed["word"][0, 0]] == sign.word
    assert printed["word"][0, 1] == labels.IGNORED
    assert 10 * printed["tens"][0, 1] + printed["units"][0, 1] == sign.price
    assert 10 * whole["tens"][0] + whole["units"][0] == sign.price
    assert labels.GENRES[printed["genre"][1, 1]] == cover.genre
    first, last = cover.author.split()
    assert labels.FIRST_NAMES[whole["first name"][1] - 1] == first
    assert labels.LAST_NAMES[whole["last name"][1] - 1] == last
    assert whole["form"].tolist() == [1, 2]


def test_patches_have_the_labels_of_their_cells_and_halves():
    cells = labels.to_patches(np.arange(9)[None]).reshape(6, 6)
    assert cells[:2].tolist() == [[0, 0, 1, 1, 2, 2]] * 2
    assert cells[4:].tolist() == [[6, 6, 7, 7, 8, 8]] * 2
    assert labels.to_patches(np.arange(2)[None]).reshape(6, 6).tolist() == [[0] * 6] * 3 + [[1] * 6] * 3
