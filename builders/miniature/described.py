"""nocaps and Flickr30k of the miniature: photos of their own, described by ten people and by five.

Their photos are no photos of COCO's: their scenes have numbers above all of COCO's ids.
"""

from collections.abc import Iterator
from typing import Any

from ib_data.builders.miniature.coco_caption import sentences
from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.photos import draw
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.words import NUMBERS, listing, with_article
from ib_data.cards import Card, SourceFile, media_stores
from ib_data.keyed import keyed_bits

_NOCAPS_SCENES, _FLICKR_SCENES = 1_000_000, 2_000_000
# The kinds of shapes that captions of other photos are taken to know: they decide a photo's domain.
_KNOWN_KINDS = {"circle", "square", "triangle"}
_KARPATHY = ("test", "train", "val", "test")
_MIN_PHOTOS = len(_KARPATHY)
_FLICKR_STEP = 80_021  # between the names of neighbouring photos, which have ten digits at most
_BLANK_CYCLE = 8
_INFO = {"url": "http://nocaps.org", "version": "0.1", "description": "a drawn miniature of nocaps", "year": 2018}


def nocaps_members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file; both addresses have the same captions."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in _numbers(population):
        scene, photo = population.scene(_NOCAPS_SCENES + number), _open_images_id(population, number)
        image = {
            "id": number,
            "open_images_id": photo,
            "height": scene.height,
            "width": scene.width,
            "coco_url": f"https://s3.amazonaws.com/nocaps/val/{photo}.jpg",
            "file_name": f"{photo}.jpg",
            "license": 0,
            "date_captured": "2018-11-06 11:04:33",
            "domain": _domain(scene),
        }
        images.append(image)
        texts = [*sentences(scene, population), *_more(scene)]
        annotations += [
            {"image_id": number, "id": number * len(texts) + i, "caption": text} for i, text in enumerate(texts)
        ]
    return {file.name: json_bytes({"licenses": [], "info": _INFO, "images": images, "annotations": annotations})}


def nocaps_photos(population: Population) -> Iterator[tuple[str, bytes]]:
    """(URL, JPEG) of every photo."""
    each = media_stores()["openimages_nocaps"].each
    assert each is not None
    for number in _numbers(population):
        url = each.format(image_id=_open_images_id(population, number))
        yield url, draw(population.scene(_NOCAPS_SCENES + number))


def flickr30k_members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The member of the split archive that is Flickr30k's."""
    assert file.member is not None
    images: list[dict[str, Any]] = []
    for number in _numbers(population):
        texts = sentences(population.scene(_FLICKR_SCENES + number), population)
        if number % _BLANK_CYCLE == 1:
            texts[0] = f"{texts[0]} "
        first = number * len(texts)
        spoken = [
            {"tokens": text.lower().rstrip(". ").split(), "raw": text, "imgid": number, "sentid": first + i}
            for i, text in enumerate(texts)
        ]
        image = {
            "sentids": [sentence["sentid"] for sentence in spoken],
            "imgid": number,
            "sentences": spoken,
            "split": _KARPATHY[number % len(_KARPATHY)],
            "filename": f"{_flickr_id(population, number)}.jpg",
        }
        images.append(image)
    return {file.member: json_bytes({"images": images, "dataset": "flickr30k"})}


def flickr30k_photos(population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, JPEG) of every photo."""
    store = media_stores()["flickr30k_images"]
    for number in _numbers(population):
        photo = draw(population.scene(_FLICKR_SCENES + number))
        yield store.member(_flickr_id(population, number)), photo


def _numbers(population: Population) -> range:
    return range(max(_MIN_PHOTOS, population.num_images))


def _open_images_id(population: Population, number: int) -> str:
    return f"{keyed_bits(population.seed, 'miniature.nocaps.id', number) >> 64:016x}"


def _flickr_id(population: Population, number: int) -> str:
    return str(36_000_000 + number * _FLICKR_STEP + population.below(_FLICKR_STEP, "flickr30k.id", number))


def _domain(scene: Scene) -> str:
    known = sum(shape.kind in _KNOWN_KINDS for shape in scene.shapes)
    return "in-domain" if known == len(scene.shapes) else "near-domain" if known else "out-domain"


def _more(scene: Scene) -> list[str]:
    """Five further true sentences."""
    names = listing([with_article(shape.name) for shape in scene.shapes])
    first, last = scene.shapes[0], scene.shapes[-1]
    number = NUMBERS[len(scene.shapes)]
    form = "upright" if scene.height > scene.width else "wide"
    return [
        f"A drawing of {names}.",
        f"The picture shows {names} in front of {with_article(scene.background)} wall.",
        f"Somebody drew {number} {'shape' if len(scene.shapes) == 1 else 'shapes'} in {with_article(form)} picture.",
        f"In the {first.place} there is {with_article(first.name)}.",
        f"{with_article(last.colour).capitalize()} {last.kind} of {last.size} size.",
    ]
