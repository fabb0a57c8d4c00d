"""nocaps of the miniature: images of its own at URLs of their own, each described by ten people.

Its images are not COCO's: their scenes have numbers above all of COCO's ids.
"""

from collections.abc import Iterator
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.facts import named_shapes
from ib_data.builders.miniature.world.images import draw
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.sentences import sentences
from ib_data.builders.miniature.world.words import NUMBERS, listing, with_article
from ib_data.cards import Card, SourceFile, media_stores
from ib_data.keyed import keyed_bits

_SCENES = 1_000_000
_MIN_IMAGES = 4
# The kinds of shapes that count as in-domain; they decide an image's domain.
_KNOWN_KINDS = {"circle", "square", "triangle"}
_INFO = {"url": "http://nocaps.org", "version": "0.1", "description": "a drawn miniature of nocaps", "year": 2018}


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file; both addresses have the same captions."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in population.numbers(_MIN_IMAGES):
        scene, name = population.scene(_SCENES + number), _open_images_id(population, number)
        image = {
            "id": number,
            "open_images_id": name,
            "height": scene.height,
            "width": scene.width,
            "coco_url": f"https://s3.amazonaws.com/nocaps/val/{name}.jpg",
            "file_name": f"{name}.jpg",
            "license": 0,
            "date_captured": "2018-11-06 11:04:33",
            "domain": _domain(scene),
        }
        images.append(image)
        texts = [*sentences(scene), *_more(scene)]
        annotations += [
            {"image_id": number, "id": number * len(texts) + i, "caption": text} for i, text in enumerate(texts)
        ]
    return {file.name: json_bytes({"licenses": [], "info": _INFO, "images": images, "annotations": annotations})}


def images(population: Population) -> Iterator[tuple[str, bytes]]:
    """(URL, JPEG) of every image."""
    each = media_stores()["openimages_nocaps"].each
    assert each is not None
    for number in population.numbers(_MIN_IMAGES):
        url = each.format(image_id=_open_images_id(population, number))
        yield url, draw(population.scene(_SCENES + number))


def _open_images_id(population: Population, number: int) -> str:
    return f"{keyed_bits(population.seed, 'miniature.nocaps.id', number) >> 64:016x}"


def _domain(scene: Scene) -> str:
    known = sum(shape.kind in _KNOWN_KINDS for shape in scene.shapes)
    return "in-domain" if known == len(scene.shapes) else "near-domain" if known else "out-domain"


def _more(scene: Scene) -> list[str]:
    """Five further true sentences."""
    shapes = named_shapes(scene)
    names = listing([with_article(shape.name) for shape in shapes])
    first, last = shapes[0], shapes[-1]
    number = NUMBERS[len(scene.shapes)]
    form = "upright" if scene.height > scene.width else "wide"
    return [
        f"A drawing of {names}.",
        f"The picture shows {names} in front of {with_article(scene.background)} wall.",
        f"Somebody drew {number} {'shape' if len(scene.shapes) == 1 else 'shapes'} in {with_article(form)} picture.",
        f"In the {first.place} there is {with_article(first.name)}.",
        f"{with_article(last.colour).capitalize()} {last.kind} of {last.size} size.",
    ]


MEDIA = {"openimages_nocaps": images}
