"""Flickr30k of the miniature: images of its own, each described by five people, in Karpathy's split file."""

from collections.abc import Iterator
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.images import draw
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.sentences import sentences
from ib_data.cards import Card, SourceFile, media_stores

_SCENES = 2_000_000
_KARPATHY = ("test", "train", "val", "test")
_STEP = 80_021  # between the names of neighbouring images, which have ten digits at most
_BLANK_CYCLE = 8


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The member of the split archive that is Flickr30k's."""
    assert file.member is not None
    images: list[dict[str, Any]] = []
    for number in population.numbers(len(_KARPATHY)):
        texts = sentences(population.scene(_SCENES + number))
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


def images(population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, JPEG) of every image."""
    store = media_stores()["flickr30k_images"]
    for number in population.numbers(len(_KARPATHY)):
        image = draw(population.scene(_SCENES + number))
        yield store.member(_flickr_id(population, number)), image


def _flickr_id(population: Population, number: int) -> str:
    return str(36_000_000 + number * _STEP + population.below(_STEP, "flickr30k.id", number))


MEDIA = {"flickr30k_images": images}
