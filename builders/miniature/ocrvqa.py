"""OCR-VQA of the miniature: book covers with their words printed on them, as jpg, png and gif, each at its own URL.

Some covers are missing: dead links, a web page instead of an image, a tiny image. Two books share one cover, and one
book has no author.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.printed import ink_on, write
from ib_data.builders.miniature.world.scene import COLOURS, KINDS
from ib_data.builders.miniature.world.words import with_article
from ib_data.cards import Card, SourceFile

GENRES = ("Cookbooks", "Travel", "History", "Children's Books", "Science", "Mystery", "Poetry", "Gardening")
FIRST_NAMES = ("Ann", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry")
LAST_NAMES = ("Lee", "Stone", "Rivers", "Baker", "Moss", "Young", "Field", "Hill")
_MIN_BOOKS, _ID_DIGITS = 20, 10
_SPLITS = (1, 1, 1, 2, 3)
_FORMATS = (("jpg", "JPEG"), ("png", "PNG"), ("gif", "GIF"))
_WIDTH_PX, _HEIGHT_PX, _TINY_PX = 120, 180, 20
_CYCLE = 20
_ANONYMOUS, _DEAD, _PAGE, _TINY, _SHARED = 2, 7, 10, 16, 6  # numbers of books, modulo the cycle
_NO_COVER = b"<!DOCTYPE html>\n<html><body>This cover is not here any more.</body></html>\n"


@dataclass(frozen=True, slots=True)
class Book:
    """The text of a cover. `split` is the source's number."""

    book_id: str
    url: str
    title: str
    author: str
    genre: str
    split: int
    colour: str


def book(population: Population, number: int) -> Book:
    """The book with this number; the shared cover belongs to two editions of one book in one split."""
    cover = number - 1 if number % _CYCLE == _SHARED else number

    def pick(choices: tuple[str, ...], stream: str) -> str:
        return choices[population.below(len(choices), f"book.{stream}", cover)]

    colour = pick(tuple(COLOURS), "colour")
    extension, _ = _FORMATS[cover % len(_FORMATS)]
    author = f"{pick(FIRST_NAMES, 'first')} {pick(LAST_NAMES, 'last')}"
    return Book(
        book_id=f"{10_000_007 * (number + 1) % 10**_ID_DIGITS:0{_ID_DIGITS}d}",
        url=f"http://covers.example.org/images/I/{cover:04d}.{extension}",
        title=f"The {colour.capitalize()} {pick(KINDS, 'kind').capitalize()}",
        author="" if number % _CYCLE == _ANONYMOUS else author,
        genre=pick(GENRES, "genre"),
        split=_SPLITS[number % len(_SPLITS)],
        colour=colour,
    )


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only official file."""
    return {file.name: json_bytes({one.book_id: _row(one) for one in _books(population)})}


def images(population: Population) -> Iterator[tuple[str, bytes]]:
    """(URL, bytes) of every cover URL that answers."""
    for number, one in enumerate(_books(population)):
        case = number % _CYCLE
        if case not in (_DEAD, _SHARED):
            yield one.url, _NO_COVER if case == _PAGE else draw(one, is_tiny=case == _TINY)


def _books(population: Population) -> list[Book]:
    return [book(population, number) for number in range(max(_MIN_BOOKS, population.num_images))]


def _row(one: Book) -> dict[str, Any]:
    asked = book_questions(one)
    return {
        "imageURL": one.url,
        "questions": list(asked),
        "answers": list(asked.values()),
        "title": one.title,
        "authorName": one.author,
        "genre": one.genre,
        "split": one.split,
    }


def book_questions(one: Book) -> dict[str, str]:
    """Question -> answer of every question about a book; the author may be empty."""
    other = GENRES[(GENRES.index(one.genre) + 1) % len(GENRES)]
    return {
        "What is the title of this book?": one.title,
        "Who wrote this book?": one.author,
        "What type of book is this?": one.genre,
        f"Is this book related to {one.genre}?": "Yes",
        f"Is this {with_article(other)} book?": "No",
    }


def book_facts(one: Book) -> list[str]:
    """What a cover says: `title Red Star`, `author Ann Lee`, `type Travel`; no author if the book has none."""
    author = [f"author {one.author}"] if one.author else []
    return [f"title {one.title.removeprefix('The ')}", *author, f"type {one.genre}"]


def draw(one: Book, *, is_tiny: bool = False) -> bytes:
    """The cover of a book, in the format that its URL names."""
    colour = COLOURS[one.colour]
    image = Image.new("RGB", (_WIDTH_PX, _HEIGHT_PX), colour)
    pen, middle = ImageDraw.Draw(image), _WIDTH_PX // 2
    for line, word in enumerate(one.title.split()):
        write(pen, word, (middle, 30 + 26 * line), 22, ink_on(colour))
    write(pen, one.author, (middle, 125), 14, ink_on(colour))
    write(pen, one.genre, (middle, 155), 13, ink_on(colour))
    out = io.BytesIO()
    kind = dict(_FORMATS)[one.url.rsplit(".", 1)[1]]
    (image.resize((_TINY_PX, _TINY_PX)) if is_tiny else image).save(out, kind)
    return out.getvalue()


MEDIA = {"ocrvqa_covers": images}
