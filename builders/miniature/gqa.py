"""GQA of the miniature: images of its own with ids that are texts, and questions by their ids in one object.

Includes odd questions of the source: ids with leading zeros, one question under two ids with two right answers,
`groups.global` without a value.
"""

from collections.abc import Iterator
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.compared import comparing_questions
from ib_data.builders.miniature.world.facts import shape_fact
from ib_data.builders.miniature.world.images import draw
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.questions import Question
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.words import with_article
from ib_data.cards import Card, SourceFile, media_stores

_SCENES = 11_000_000
_SPLITS = ("train", "test", "validation", "test")
_STRUCTURES = {"yes/no": "verify", "number": "query", "other": "query"}


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The member of one split of the archive."""
    assert file.member is not None
    found: dict[str, dict[str, Any]] = {}
    for number in range(_count(population)):
        if _SPLITS[number % len(_SPLITS)] == file.split:
            found |= _rows(population, number)
    return {file.member: json_bytes(found)}


def images(population: Population) -> Iterator[tuple[str, bytes]]:
    """(member name, JPEG) of every image of all splits."""
    store = media_stores()["gqa_images"]
    for number in range(_count(population)):
        yield store.member(_image_id(number)), draw(population.scene(_SCENES + number))


def _count(population: Population) -> int:
    return max(len(_SPLITS), population.num_images)


def _image_id(number: int) -> str:
    """The id of an image; in the test split it begins with a letter, since these are not Visual Genome's."""
    return f"n{100_000 + number}" if _SPLITS[number % len(_SPLITS)] == "test" else str(2_300_000 + number)


def _rows(population: Population, number: int) -> dict[str, dict[str, Any]]:
    scene = population.scene(_SCENES + number)
    asked = comparing_questions(population, scene) + either(scene)
    ids = [f"{number * 100 + i:08d}" for i in range(len(asked))]
    return {
        question_id: _row(_image_id(number), question_id, ids, question)
        for question_id, question in zip(ids, asked, strict=True)
    }


def either(scene: Scene) -> list[Question]:
    """A question with two right answers, asked twice with a different answer each time."""
    shapes = scene.unique_kinds()[:2]
    text, facts = "Which kind of shape is in the picture?", tuple(map(shape_fact, shapes))
    return [Question(text, s.kind, s.kind, "which", "other", facts) for s in shapes] if len(shapes) == 2 else []


def _row(image_id: str, question_id: str, ids: list[str], question: Question) -> dict[str, Any]:
    is_open = question.answer_type == "other"
    steps = [{"operation": "select", "dependencies": [], "argument": "shape (1)"}]
    return {
        "semantic": [*steps, {"operation": "query", "dependencies": [0], "argument": "name"}],
        "entailed": [other for other in ids if other != question_id][:2],
        "equivalent": [question_id],
        "question": question.text,
        "imageId": image_id,
        "isBalanced": True,
        "groups": {"global": "shape" if is_open else None, "local": f"06-shape_{question.question_type}"},
        "answer": question.answer,
        "semanticStr": "select: shape (1)->query: name [0]",
        "annotations": {"answer": {"0": "1"}, "question": {}, "fullAnswer": {"1": "1"}},
        "types": {"detailed": "categoryThat", "semantic": "cat", "structural": _STRUCTURES[question.answer_type]},
        "fullAnswer": _sentence(question),
    }


def _sentence(question: Question) -> str:
    if question.answer_type == "number":
        return f"The count is {question.answer}."
    if question.question_type == "which" and not question.text.startswith("Which is"):
        return f"There is {with_article(question.answer)}."
    return f"{question.answer.capitalize()}." if question.answer_type == "yes/no" else f"It is {question.answer}."


MEDIA = {"gqa_images": images}
