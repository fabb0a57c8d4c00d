"""VizWiz of the miniature: images of its own, a spoken question to each, and ten answers.

Includes odd rows of the source: questions that the image cannot answer, a question that is only talk, "other" questions
with "unanswerable" as their most frequent answer, the keys of an answer in two orders.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.images import draw
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.questions import questions, votes
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.words import pick_shape
from ib_data.cards import Card, SourceFile, media_stores

_SCENES = 12_000_000
_SPLITS = {"train": 0, "validation": 1, "test": 2}
STORES = {"train": "vizwiz_train", "validation": "vizwiz_val", "test": "vizwiz_test"}
_SPLIT_STEP = 1_000_000
_ODD_CYCLE = 6
_TALK, _NO_LABEL, _VAGUE = 0, 1, 2
_UNANSWERABLE = "unanswerable"


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The members of one official file; the test file of the archive has no answers."""
    assert file.split is not None
    rows = [_row(population, file.split, number) for number in range(_count(population, file.split))]
    if file.split == "test" and file.role == "annotations":
        rows = [{"image": row["image"], "question": row["question"]} for row in rows]
    return {file.member or file.name: json_bytes(rows)}


def images(split: str, population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, JPEG) of every image of a split."""
    store = media_stores()[STORES[split]]
    for number in range(_count(population, split)):
        yield store.member(number), draw(_scene(population, split, number))


def _count(population: Population, split: str) -> int:
    return max(_ODD_CYCLE, population.num_images // (2 if split == "train" else 4))


def _scene(population: Population, split: str, number: int) -> Scene:
    return population.scene(_SCENES + _SPLITS[split] * _SPLIT_STEP + number)


def _row(population: Population, split: str, number: int) -> dict[str, Any]:
    scene, case = _scene(population, split, number), number % _ODD_CYCLE
    shape = pick_shape(population, scene, "vizwiz.shape")
    kind, answers, answerable = _UNANSWERABLE, [_UNANSWERABLE] * 8 + ["nothing", "no text"], 0
    if case == _TALK:
        text = "Hello. I hope that this picture is better."
    elif case == _NO_LABEL:
        text = "What does the label say? "
    elif case == _VAGUE:
        text, kind, answerable = "What is this?", "other", 1
        answers = [shape.kind, _UNANSWERABLE, _UNANSWERABLE, shape.name, _UNANSWERABLE, _UNANSWERABLE, shape.kind] * 2
    else:
        asked = questions(population, scene)[case % 2]
        text, kind, answerable = asked.text, asked.answer_type, 1
        answers = [vote["answer"] for vote in votes(population, asked, scene.image_id)]
    return {
        "answers": [_answer(text, i) for i, text in enumerate(answers[:10])],
        "image": media_stores()[STORES[split]].tail(number),
        "answer_type": kind,
        "question": text,
        "answerable": answerable,
    }


def _answer(text: str, place: int) -> dict[str, str]:
    confidence = ("yes", "maybe", "yes", "no")[place % 4]
    if place % 3 == 0:
        return {"answer_confidence": confidence, "answer": text}
    return {"answer": text, "answer_confidence": confidence}


MEDIA = {store: partial(images, split) for split, store in STORES.items()}
