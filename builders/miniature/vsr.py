"""VSR of the miniature: statements about the position of one shape relative to another, half of them true."""

from collections.abc import Callable
from typing import Any

from ib_data.builders.miniature.world.archives import jsonl_bytes
from ib_data.builders.miniature.world.population import Population, image_link_of
from ib_data.builders.miniature.world.scene import Scene, Shape
from ib_data.cards import Card, MediaStore, SourceFile, media_stores

_STORES = ("coco_train2017", "coco_val2017")
RELATIONS: dict[str, Callable[[Shape, Shape], bool]] = {
    "left of": lambda a, b: a.column < b.column,
    "right of": lambda a, b: a.column > b.column,
    "at the left side of": lambda a, b: a.column < b.column,
    "at the right side of": lambda a, b: a.column > b.column,
    "above": lambda a, b: a.row < b.row,
    "below": lambda a, b: a.row > b.row,
    "beneath": lambda a, b: a.row > b.row,
}
# Of ten images six are for training, one for validation and three for the test, about as in the source.
_SPLITS = ("train", "train", "test", "train", "validation", "train", "test", "train", "train", "test")
_SHARED = 0  # the first image of the training split is in the test split too, as two are in the source
_STATEMENTS_PER_IMAGE = 2
_CLIPPED_ROW = 1  # a row whose subject lost its first letter, as some did in the source


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file."""
    return {file.name: jsonl_bytes(_rows(population, str(file.split)))}


def _rows(population: Population, split: str) -> list[dict[str, Any]]:
    stores = media_stores()
    images = [(stores[name], i) for name in _STORES for i in population.shuffled(name, "vsr")]
    usable = [(store, i) for store, i in images if len(population.scene(i).unique_kinds()) >= 2]
    rows: list[dict[str, Any]] = []
    for number, (store, image_id) in enumerate(usable):
        if _SPLITS[number % len(_SPLITS)] == split or (split == "test" and number == _SHARED):
            turns = range(_STATEMENTS_PER_IMAGE)
            first = _STATEMENTS_PER_IMAGE if split == "test" and number == _SHARED else 0
            rows += [_row(population, store, image_id, first + turn) for turn in turns]
    if len(rows) > _CLIPPED_ROW:
        rows[_CLIPPED_ROW]["subj"] = rows[_CLIPPED_ROW]["subj"][1:]
    return rows


def _row(population: Population, store: MediaStore, image_id: int, turn: int) -> dict[str, Any]:
    scene = population.scene(image_id)
    label = population.below(2, "vsr.label", image_id, turn)
    subject, relation, other = statement(population, scene, bool(label), turn)
    voters = str([2, 19, 51][: 2 + population.below(2, "vsr.votes", image_id, turn)])
    return {
        "image": store.tail(image_id),
        "image_link": image_link_of(store, image_id),
        "caption": f"The {subject.kind} is {relation} the {other.kind}.",
        "label": label,
        "relation": relation,
        "subj": subject.kind,
        "obj": other.kind,
        "annotator_id": 1 + population.below(20, "vsr.annotator", image_id),
        "vote_true_validator_id": voters if label else "[]",
        "vote_false_validator_id": "[]" if label else voters,
    }


def statement(population: Population, scene: Scene, label: bool, turn: int) -> tuple[Shape, str, Shape]:
    """A subject, a relation and an object whose statement is true if `label` is; two shapes allow both cases."""
    unique = scene.unique_kinds()
    found = [
        (a, relation, b)
        for a in unique
        for b in unique
        for relation, holds in RELATIONS.items()
        if a is not b and holds(a, b) == label
    ]
    return found[population.below(len(found), "vsr.statement", scene.image_id, turn)]
