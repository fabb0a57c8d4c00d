"""Hateful Memes of the miniature: drawn shapes with words printed below them, as PNG, ids padded with zeros.

A meme is hateful if it says that nobody wants a kind of shape, on an image of that shape. The same words on another
image are harmless, as are kind words: as in the source, neither words nor image alone decide. The archive has no
password, so that the downloader can fetch it.
"""

import io
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ib_data.builders.miniature.world.archives import jsonl_bytes
from ib_data.builders.miniature.world.images import paint
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import KINDS, Scene
from ib_data.builders.miniature.world.words import pick_shape, with_article
from ib_data.cards import Card, SourceFile, media_stores

_SCENES = 14_000_000
_SPLITS = ("train", "train", "validation", "test")
_ID_STEP = 37
_STRIP_PX, _MARGIN_PX = 20, 5
_UNKIND, _HARMLESS, _KIND = 0, 1, 2


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The member of one split of the archive."""
    assert file.member is not None
    rows = [_row(population, n) for n in range(_count(population)) if _SPLITS[n % len(_SPLITS)] == file.split]
    return {file.member: jsonl_bytes(rows)}


def images(population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, PNG) of every meme of all splits."""
    store = media_stores()["hateful_memes_images"]
    for number in range(_count(population)):
        scene = meme_scene(population, number)
        words, _ = meme_words(population, scene, number)
        yield store.member(_meme_id(number)), draw(scene, words)


def _count(population: Population) -> int:
    return max(3 * len(_SPLITS), population.num_images)


def _meme_id(number: int) -> str:
    return f"{number * _ID_STEP + 1:05d}"


def meme_scene(population: Population, number: int) -> Scene:
    """What a meme shows above its words."""
    return population.scene(_SCENES + number)


def _row(population: Population, number: int) -> dict[str, Any]:
    words, label = meme_words(population, meme_scene(population, number), number)
    return {"id": _meme_id(number), "img": f"img/{_meme_id(number)}.png", "label": label, "text": words}


def meme_words(population: Population, scene: Scene, number: int) -> tuple[str, int]:
    """(words, label) of the meme with this number about a scene."""
    case = number % 3
    shown = pick_shape(population, scene, "memes.shape").kind
    if case == _KIND:
        return f"everybody needs {with_article(shown)}", 0
    absent = [kind for kind in KINDS if not scene.count(kind)]
    kind = shown if case == _UNKIND else absent[population.below(len(absent), "memes.absent", number)]
    return f"nobody wants {with_article(kind)} around here", int(case == _UNKIND)


def draw(scene: Scene, words: str) -> bytes:
    """The PNG file of a meme: a scene with words printed below it."""
    image = Image.new("RGB", (scene.width, scene.height + _STRIP_PX), (255, 255, 255))
    image.paste(paint(scene).convert("RGB"), (0, 0))
    # Pillow's old bitmap font is the same everywhere; FreeType's outlines are not.
    font = ImageFont.load_default_imagefont()
    ImageDraw.Draw(image).text((_MARGIN_PX, scene.height + _MARGIN_PX), words, fill=(0, 0, 0), font=font)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


MEDIA = {"hateful_memes_images": images}
