"""Web CapFilt of the miniature: a list of URLs with captions, at three hosts; not every URL returns an image.

Includes dead links, a web page instead of an image, and a tiny image; two rows share one URL, and some URLs have a
query.
"""

import io
from collections.abc import Iterator
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.facts import named_shapes
from ib_data.builders.miniature.world.images import JPEG_QUALITY, paint
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.sentences import sentences
from ib_data.builders.miniature.world.words import listing, with_article
from ib_data.cards import Card, SourceFile

_SCENES = 15_000_000
_MIN_ROWS, _CYCLE = 20, 20
_DEAD, _PAGE, _TINY, _SHARED = (3, 14), 6, 11, 17  # numbers of rows, modulo the cycle
_TINY_PX = (31, 23)
_ADDRESSES = (
    "http://images.example.org/{:05d}.jpg",
    "https://photos.example.com/large/{:05d}.jpg?width=640&fit=crop",
    "http://static.example.net/a%20folder/{:05d}",
)
_MOVED = b"<html><head><title>Moved</title></head><body>This site is for sale.</body></html>\n"


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official list."""
    numbers = range(max(_MIN_ROWS, population.num_images))
    return {file.name: json_bytes([_row(population, number, str(file.form)) for number in numbers])}


def images(population: Population) -> Iterator[tuple[str, bytes]]:
    """(URL, bytes) of every URL that answers."""
    for number in range(max(_MIN_ROWS, population.num_images)):
        case = number % _CYCLE
        if case not in (*_DEAD, _SHARED):
            scene = population.scene(_SCENES + number)
            yield _url(number), _MOVED if case == _PAGE else _image(scene, is_tiny=case == _TINY)


def _row(population: Population, number: int, form: str) -> dict[str, Any]:
    """A row: captions of the large captioner, of the base one, or of the page itself."""
    scene = population.scene(_SCENES + (number - 1 if number % _CYCLE == _SHARED else number))
    return {"caption": web_captions(scene)["shared" if number % _CYCLE == _SHARED else form], "url": _url(number)}


def web_captions(scene: Scene) -> dict[str, str]:
    """Form of the list -> caption; rows that share a URL have a caption of their own."""
    names = listing([with_article(shape.name) for shape in named_shapes(scene)])
    return {
        "synthetic_large": f"{names} on {with_article(scene.background)} background",
        "synthetic": f"a drawing of {names}",
        "web": sentences(scene)[2],
        "shared": f"a picture of {names}",
    }


def _url(number: int) -> str:
    one = number - 1 if number % _CYCLE == _SHARED else number
    return _ADDRESSES[one % len(_ADDRESSES)].format(one)


def _image(scene: Scene, *, is_tiny: bool) -> bytes:
    image = paint(scene)
    out = io.BytesIO()
    (image.resize(_TINY_PX) if is_tiny else image).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


MEDIA = {"web_capfilt_images": images}
