"""Training images of the drawn world, each decided by its number alone.

They are of all kinds that the miniature has: scenes (70 of 100; one of 14 as PNG, as diagrams are), signs (15), covers
of books (10), memes and frames of clips (5). Half of them are cropped as the packaged training configuration crops, the
others are as evaluation shows them. No image of any miniature is among them: its scenes, signs and books have lower
numbers, and clips another seed.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ib_data.builders.miniature import hateful_memes, ocrvqa
from ib_data.builders.miniature.mirror import VERSION
from ib_data.builders.miniature.ocrvqa import Book
from ib_data.builders.miniature.world import clips, images, signs
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.signs import Sign
from ib_data.media.pixels import pixels
from ib_data.replacing import replacing
from ib_data.stream_options import ImageOptions

IMAGE_PX = 96
NUM_TRAINING, NUM_TEST = 18_000, 1_000
TRAINING, UNSEEN = range(NUM_TRAINING), range(NUM_TRAINING, NUM_TRAINING + NUM_TEST)
Shown = Scene | Sign | Book
"""What an image shows. A meme and a frame of a clip show a scene."""

_SEED = 50_000_000
_FIRST = 50_000_000  # above the numbers of all images of a miniature
_POPULATION = Population(seed=_SEED, num_images=1000)
_CYCLE, _SCENES, _SIGNS, _BOOKS = 20, 14, 3, 2  # of 20 neighbours; the last one is a meme or a frame of a clip
_CLIP_SETS = ("msvd_qa", "msrvtt_qa", "ivqa")
_BLOCK = 500


def shown(number: int) -> Shown:
    """What the image of this number shows."""
    turn, place = divmod(number, _CYCLE)
    if place < _SCENES:
        return _POPULATION.scene(_FIRST + turn * _SCENES + place)
    place -= _SCENES
    if place < _SIGNS:
        return signs.sign(_POPULATION, _FIRST + turn * _SIGNS + place)
    place -= _SIGNS
    if place < _BOOKS:
        return ocrvqa.book(_POPULATION, _FIRST + turn * _BOOKS + place)
    return hateful_memes.meme_scene(_POPULATION, _FIRST + turn) if turn % 2 else _frame(turn // 2)


def encoded(number: int) -> bytes:
    """The image file of this number."""
    turn, place = divmod(number, _CYCLE)
    one = shown(number)
    if isinstance(one, Sign):
        return signs.draw(one)
    if isinstance(one, Book):
        return ocrvqa.draw(one)
    if place == _CYCLE - 1 and turn % 2:
        words, _ = hateful_memes.meme_words(_POPULATION, one, _FIRST + turn)
        return hateful_memes.draw(one, words)
    return images.draw_png(one) if place == 0 else images.draw(one)


def drawn(number: int) -> NDArray[np.uint8]:
    """The image of this number as training reads it: uint8 (96, 96, 3)."""
    crop = "mild" if _POPULATION.below(2, "backbones.crop", number) else "none"
    options = ImageOptions(image_px=IMAGE_PX, augment=crop)
    return pixels(encoded(number), "image", options, seed=_SEED, position=number)


def all_drawn(folder: Path, numbers: range, *, num_processes: int = 1) -> NDArray[np.uint8]:
    """The images of `numbers`, uint8 (N, 96, 96, 3), mapped from a file in `folder`, which is made if it is missing.

    About 3 ms an image and process; the bytes do not depend on `num_processes`.
    """
    file = folder / f"images-{VERSION}-{numbers.start}-{numbers.stop}.npy"
    if not file.is_file():
        blocks = [numbers[start : start + _BLOCK] for start in range(0, len(numbers), _BLOCK)]
        if num_processes == 1:
            values = [_block(block) for block in blocks]
        else:
            with ProcessPoolExecutor(num_processes, mp_context=get_context("spawn")) as pool:
                values = list(pool.map(_block, blocks))
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(file) as part, part.open("wb") as out:
            np.save(out, np.concatenate(values), allow_pickle=False)
    found: NDArray[np.uint8] = np.load(file, mmap_mode="r", allow_pickle=False)
    return found


def _block(numbers: range) -> NDArray[np.uint8]:
    return np.stack([drawn(number) for number in numbers])


def _frame(number: int) -> Scene:
    """A frame of a clip: drawn as an image, since the encoders of clips and images blur alike."""
    dataset = _CLIP_SETS[number % len(_CLIP_SETS)]
    scenes = clips.scenes(_POPULATION, dataset, number // len(_CLIP_SETS) % clips.num_clips(_POPULATION))
    return scenes[_POPULATION.below(len(scenes), "backbones.frame", number)]
