"""TextVQA and TextCaps of the miniature: photos of two boards with words on them, and what an OCR engine read there.

The odd rows of the real files are among them: blanks around answers, a comma at the end, ten different answers, the
marker that is no answer, photos in which nothing was read (an empty list, or no row at all), and a word misread.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from PIL import Image, ImageDraw

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.photos import JPEG_QUALITY
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.printed import ink_on, write
from ib_data.builders.miniature.world.scene import BACKGROUNDS, COLOURS
from ib_data.builders.miniature.world.words import with_article
from ib_data.cards import Card, SourceFile, media_stores
from ib_data.keyed import keyed_bits

WORDS = ("TEA", "BOOKS", "MUSIC", "HOTEL", "BREAD", "SHOES", "TAXI", "FLOWERS", "CINEMA", "SOUP", "PARK", "TOYS")
WIDTH_PX, HEIGHT_PX = 240, 180
_BOARDS = ((20, 15, 220, 85), (60, 105, 180, 165))  # left, top, right, bottom
_SIZES_PX = (40, 36)
_STORES = {"train": "textvqa_train_val", "validation": "textvqa_train_val", "test": "textvqa_test"}
_SET_NAMES = {"train": "train", "validation": "val", "test": "test"}
_CYCLE = 8
_UNREAD, _UNLISTED, _MISREAD, _ODD_ANSWERS = 5, 6, 3, 2  # numbers of photos, modulo the cycle
_MARKER = "answering does not require reading text in the image"


@dataclass(frozen=True, slots=True)
class Sign:
    """What a photo shows: a word on the upper board, a number on the lower one, in front of a wall."""

    number: int
    image_id: str
    word: str
    price: int
    upper: str
    lower: str
    wall: str


def sign(population: Population, number: int) -> Sign:
    """The photo of this number."""
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
    """The photos of a split."""
    train = population.num_images
    validation, test = max(_CYCLE, train // 2), max(2, train // 4)
    start = {"train": 0, "validation": train, "test": train + validation}[split]
    count = {"train": train, "validation": validation, "test": test}[split]
    return [sign(population, number) for number in range(start, start + count)]


def _photos(splits: tuple[str, ...], population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, JPEG) of every photo of these splits."""
    for split in splits:
        for one in signs(population, split):
            yield media_stores()[_STORES[split]].member(one.image_id), _draw(one)


# Media store -> the writer of its archive.
PHOTOS = {
    "textvqa_train_val": partial(_photos, ("train", "validation")),
    "textvqa_test": partial(_photos, ("test",)),
}


def textvqa_members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file."""
    assert file.split is not None
    found = signs(population, file.split)
    if file.role == "ocr":
        return {file.name: _file("textvqa", "0.2", file.split, [_tokens(one) for one in found if _is_listed(one)])}
    rows: list[dict[str, Any]] = []
    for one in found:
        for turn, (question, answer, mistake) in enumerate(_questions(one)):
            row = {"question": question, "image_id": one.image_id, **_photo_facts(one)}
            if file.split != "test":
                row["answers"] = _answers(answer, mistake, one.number % _CYCLE if turn == 0 else None)
            row |= {"question_tokens": question.rstrip("?").split(), "question_id": one.number * 10 + turn}
            rows.append({**row, "set_name": _SET_NAMES[file.split]})
    return {file.name: _file("textvqa", "0.5.1", file.split, rows)}


def textcaps_members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file; the tokens are TextVQA's."""
    if file.role == "ocr":
        return textvqa_members(population, card, file)
    assert file.split is not None
    rows: list[dict[str, Any]] = []
    for one in signs(population, file.split):
        texts = captions(one)
        rows += [
            {
                "image_id": one.image_id,
                **_photo_facts(one),
                "image_path": f"train/{one.image_id}",
                "caption_id": one.number * len(texts) + turn,
                "caption_str": text,
                "caption_tokens": text.rstrip(". ").lower().split(),
                "reference_strs": texts,
                "reference_tokens": [other.rstrip(". ").lower().split() for other in texts],
                "set_name": _SET_NAMES[file.split],
            }
            for turn, text in enumerate(texts)
        ]
    return {file.name: _file("textcaps", "0.1", file.split, rows)}


def captions(one: Sign) -> list[str]:
    """Five true sentences that need the words; one has blanks around it."""
    upper, lower = with_article(one.upper), with_article(one.lower)
    return [
        f"{upper.capitalize()} sign that says {one.word}.",
        f"A sign for {one.word.lower()} above {lower} board with the number {one.price}.",
        f" {one.word} is written on {upper} board in front of {with_article(one.wall)} wall.",
        f"The number {one.price} stands on {lower} board.",
        f"Two boards that read {one.word} and {one.price}.",
    ]


def _questions(one: Sign) -> list[tuple[str, str, str]]:
    """(question, answer, what somebody might say who looked badly)."""
    return [
        (f"what does the {one.upper} sign say?", one.word.lower(), one.word[:-1].lower()),
        (f"what number is on the {one.lower} board?", str(one.price), str(one.price + 1)),
        (f"what is the word above the number  {one.price}?", one.word.lower(), "unanswerable"),
    ]


def _answers(answer: str, mistake: str, case: int | None) -> list[str]:
    if case == _ODD_ANSWERS:
        more = [f"{answer} shop", f"the {answer}", answer.upper(), f"{answer}, {mistake}, ", f"{answer} sign", mistake]
        return [answer, f"{answer} ", *more, f"{answer} and more", _MARKER]
    return [*[answer] * 7, f"{answer} ", answer, mistake]


def _tokens(one: Sign) -> dict[str, Any]:
    read = [] if one.number % _CYCLE == _UNREAD else [one.word, str(one.price)]
    if one.number % _CYCLE == _MISREAD:
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


def _is_listed(one: Sign) -> bool:
    return one.number % _CYCLE != _UNLISTED


def _photo_facts(one: Sign) -> dict[str, Any]:
    link = f"https://photos.example.org/{one.image_id}_o.jpg"
    return {
        "image_classes": ["Billboard", "Poster"],
        "flickr_original_url": link,
        "flickr_300k_url": link,
        "image_width": WIDTH_PX,
        "image_height": HEIGHT_PX,
    }


def _file(name: str, version: str, split: str, rows: list[dict[str, Any]]) -> bytes:
    head = {"dataset_type": _SET_NAMES[split], "dataset_name": name, "dataset_version": version}
    return json_bytes(head | {"data": rows})


def _draw(one: Sign) -> bytes:
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
