"""COCO captions of the miniature, in the form of Karpathy's split file and in the official form of 2017.

Includes odd captions of the real files: blanks and line breaks around and inside, six captions of one image, one text
under two ids, a replacement character.
"""

from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.population import Population, image_link_of
from ib_data.builders.miniature.world.sentences import sentences
from ib_data.cards import Card, SourceFile, media_stores

_KARPATHY_2014 = ("coco_train2014", "coco_val2014")
_OFFICIAL = {"train": "coco_train2017", "validation": "coco_val2017"}
# Half of these images are in restval; in Karpathy's split of COCO's 40,504 it is three quarters.
_KARPATHY_VAL = ("val", "test", "restval", "restval")
_ODD_CYCLE = 10
_INFO = {"description": "a drawn miniature of COCO 2017", "version": "1.0", "year": 2017}
_LICENCES = [{"url": "http://creativecommons.org/publicdomain/zero/1.0/", "id": 1, "name": "CC0"}]


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The members of one official file."""
    assert file.member is not None
    if file.form == "karpathy":
        return {file.member: json_bytes(_karpathy(population))}
    assert file.split is not None
    return {file.member: json_bytes(_official(population, _OFFICIAL[file.split]))}


def captions(population: Population, image_id: int) -> list[tuple[int, str]]:
    """(caption id, text) of an image: five true sentences, sometimes six; ids are unique over all images."""
    ordinal = population.ordinals[image_id]
    texts = _odd(sentences(population.scene(image_id)), ordinal % _ODD_CYCLE)
    return [(ordinal * 10 + i + 1, text) for i, text in enumerate(texts)]


def _odd(texts: list[str], case: int) -> list[str]:
    first, second, *rest = texts
    changed = {
        0: [f"{first} ", second, *rest, f" {rest[0]}"],
        1: [first.replace(" on ", "\non ", 1), second, *rest],
        2: [first, f"{second}\n", *rest],
        3: [first.replace(" ", "  ", 2), second, *rest],
        4: [first, second, *rest[:2], first],
        5: [first, second.replace(".", "\ufffd."), *rest],
    }
    return changed.get(case, texts)


def _karpathy(population: Population) -> dict[str, Any]:
    stores = media_stores()
    images: list[dict[str, Any]] = []
    for store in _KARPATHY_2014:
        for number, image_id in enumerate(population.shuffled(store, "karpathy")):
            own = captions(population, image_id)
            split = _KARPATHY_VAL[number % len(_KARPATHY_VAL)] if store == "coco_val2014" else "train"
            sentences = [
                {"tokens": _tokens(text), "raw": text, "imgid": len(images), "sentid": sentid} for sentid, text in own
            ]
            image = {
                "filepath": stores[store].member(image_id).split("/")[0],
                "sentids": [sentid for sentid, _ in own],
                "filename": stores[store].tail(image_id),
                "imgid": len(images),
                "split": split,
                "sentences": sentences,
                "cocoid": image_id,
            }
            images.append(image)
    return {"images": images, "dataset": "coco"}


def _tokens(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def _official(population: Population, store_name: str) -> dict[str, Any]:
    store = media_stores()[store_name]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id in population.shuffled(store_name, "official"):
        scene = population.scene(image_id)
        link = image_link_of(store, image_id)
        image = {
            "license": 1,
            "file_name": store.tail(image_id),
            "coco_url": link,
            "height": scene.height,
            "width": scene.width,
            "date_captured": "2013-11-14 11:18:45",
            "flickr_url": link,
            "id": image_id,
        }
        images.append(image)
        annotations += [
            {"image_id": image_id, "id": caption_id, "caption": text}
            for caption_id, text in captions(population, image_id)
        ]
    return {"info": _INFO, "licenses": _LICENCES, "images": images, "annotations": annotations}
