"""Images of two boards with words on them, and the OCR tokens read there, for TextVQA and TextCaps.

Includes odd cases: images without tokens (an empty list, or no row at all), and a misread word.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from PIL import Image, ImageDraw

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.images import JPEG_QUALITY
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.printed import ink_on, write
from ib_data.builders.miniature.world.scene import BACKGROUNDS, COLOURS
from ib_data.cards import SourceFile, media_stores
from ib_data.keyed import keyed_bits

WORDS = ("TEA", "BOOKS", "MUSIC", "HOTEL", "BREAD", "SHOES", "TAXI", "FLOWERS", "CINEMA", "SOUP", "PARK", "TOYS")
_STORES = {"train": "textvqa_train_val", "validation": "textvqa_train_val", "test": "textvqa_test"}
SET_NAMES = {"train": "train", "validation": "val", "test": "test"}
WIDTH_PX, HEIGHT_PX = 240, 180
_BOARDS = ((20, 15, 220, 85), (60, 105, 180, 165))  # left, top, right, bottom
_SIZES_PX = (40, 36)
CYCLE = 8
_UNREAD, _UNLISTED, _MISREAD = 5, 6, 3  # numbers of images, modulo the cycle


@dataclass(frozen=True, slots=True)
class Sign:
    """What an image shows: a word on the upper board, a number on the lower one, in front of a wall."""

    number: int
    image_id: str
    word: str
    price: int
    upper: str
    lower: str
    wall: str


def sign(population: Population, number: int) -> Sign:
    """The image of this number."""
    colours = list(COLOURS)
    upper = colours.pop(population.below(len(colours), "sign.upper", number))
    return Sign(
        number=number,
        image_id=f"{keyed_bits(population.seed, 'miniature.sign.id', number) >> 64:016x}",
        word=WORDS[population.below(len(WORDS), "sign.word", number)],
        price=2 + population.below(97, "sign.price", number),
        upper=upper,
        lower=colours[population.below(len(colours), "sign.lower", number)],
        wall=tuple(BACKGROUNDS)[population.below(len(BACKGROUNDS), "sign.wall", number)],
    )


def signs(population: Population, split: str) -> list[Sign]:
    """The images of a split."""
    train = population.num_images
    validation, test = max(CYCLE, train // 2), max(2, train // 4)
    start = {"train": 0, "validation": train, "test": train + validation}[split]
    count = {"train": train, "validation": validation, "test": test}[split]
    return [sign(population, number) for number in range(start, start + count)]


def _images(splits: tuple[str, ...], population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, JPEG) of every image of these splits."""
    for split in splits:
        for one in signs(population, split):
            yield media_stores()[_STORES[split]].member(one.image_id), draw(one)


# Media store -> the writer of its archive.
MEDIA = {
    "textvqa_train_val": partial(_images, ("train", "validation")),
    "textvqa_test": partial(_images, ("test",)),
}


def token_members(population: Population, file: SourceFile) -> dict[str, bytes]:
    """The only member of the official file of OCR tokens, which both datasets have."""
    assert file.split is not None
    found = signs(population, file.split)
    return {file.name: sign_file("textvqa", "0.2", file.split, [tokens_of(one) for one in found if is_listed(one)])}


def image_facts(one: Sign) -> dict[str, Any]:
    """The keys about an image that both datasets have in a row."""
    link = f"https://photos.example.org/{one.image_id}_o.jpg"
    return {
        "image_classes": ["Billboard", "Poster"],
        "flickr_original_url": link,
        "flickr_300k_url": link,
        "image_width": WIDTH_PX,
        "image_height": HEIGHT_PX,
    }


def sign_file(name: str, version: str, split: str, rows: list[dict[str, Any]]) -> bytes:
    """An official file of the form that both datasets share."""
    head = {"dataset_type": SET_NAMES[split], "dataset_name": name, "dataset_version": version}
    return json_bytes(head | {"data": rows})


def tokens_of(one: Sign) -> dict[str, Any]:
    """The row of the OCR tokens of an image."""
    read = [] if one.number % CYCLE == _UNREAD else [one.word, str(one.price)]
    if one.number % CYCLE == _MISREAD:
        read[0] = f"{one.word[:-1]}0"
    boxes = [
        {
            "top_left_x": left / WIDTH_PX,
            "top_left_y": top / HEIGHT_PX,
            "width": (right - left) / WIDTH_PX,
            "height": (bottom - top) / HEIGHT_PX,
            "rotation": 0,
        }
        for left, top, right, bottom in _BOARDS
    ]
    info = [{"word": word, "bounding_box": box} for word, box in zip(read, boxes, strict=False)]
    return {"image_id": one.image_id, "ocr_tokens": read, "ocr_info": info}


def is_listed(one: Sign) -> bool:
    """Whether the file of OCR tokens has a row for this image."""
    return one.number % CYCLE != _UNLISTED


def draw(one: Sign) -> bytes:
    """The JPEG file of a sign."""
    image = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), BACKGROUNDS[one.wall])
    pen = ImageDraw.Draw(image)
    texts, colours = (one.word, str(one.price)), (COLOURS[one.upper], COLOURS[one.lower])
    for box, text, colour, size_px in zip(_BOARDS, texts, colours, _SIZES_PX, strict=True):
        left, top, right, bottom = box
        pen.rectangle(box, fill=colour)
        write(pen, text, ((left + right) // 2, (top + bottom) // 2), size_px, ink_on(colour))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
