"""VQA v2 of the miniature: questions with ten answers, of which most are true and some annotators' are not."""

from dataclasses import dataclass
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import COLOURS, GREYS, KINDS, SIZES, Scene
from ib_data.builders.miniature.world.words import pick_shape, plural, reference, with_article
from ib_data.cards import Card, SourceFile

_STORES = {"train": "coco_train2014", "validation": "coco_val2014", "test": "coco_test2015"}
_TEST_DEV_SHARE = 4  # every fourth question of the test split is also in test-dev
_LICENCE = {"url": "http://creativecommons.org/publicdomain/zero/1.0/", "name": "CC0"}
_CONFIDENCE = ("yes", "yes", "yes", "maybe", "no")
_NUM_DISSENTERS = (0, 0, 1, 2, 3)
NUM_ANNOTATORS = 10


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its true answer and an answer that a hasty annotator might give."""

    text: str
    answer: str
    mistake: str
    question_type: str
    answer_type: str


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The members of one official file; the test archive holds the test-dev questions too."""
    assert file.split is not None
    assert file.member is not None
    store = _STORES[file.split]
    source_name = card.splits[file.split].source_name
    if file.role == "answers":
        return {file.member: json_bytes(header(source_name) | {"annotations": _annotations(population, store)})}
    rows = _questions(population, store)
    content = {file.member: json_bytes(header(source_name) | {"questions": rows})}
    if file.split == "test":
        dev_name = source_name.replace("test", "test-dev")
        dev = header(dev_name) | {"questions": rows[::_TEST_DEV_SHARE]}
        content[file.member.replace(source_name, dev_name)] = json_bytes(dev)
    return content


def header(source_name: str) -> dict[str, Any]:
    """What stands before the rows in a file of the VQA family."""
    return {
        "info": {"description": "a drawn miniature in the form of VQA", "version": "2.0", "year": 2017},
        "task_type": "Open-Ended",
        "data_type": "mscoco",
        "license": _LICENCE,
        "data_subtype": source_name,
    }


def questions(population: Population, scene: Scene) -> list[Question]:
    """Four to five questions about a scene, with true answers."""
    found = [_colour(population, scene), _count(population, scene), _exists(population, scene)]
    found += [_size(population, scene), *_left_of(population, scene)]
    return found


def votes(population: Population, question: Question, question_id: int) -> list[dict[str, Any]]:
    """The ten answers; at least seven are the true one."""
    dissenters = _NUM_DISSENTERS[population.below(len(_NUM_DISSENTERS), "dissenters", question_id)]
    turn = population.below(NUM_ANNOTATORS, "dissent", question_id)
    rows = []
    for i in range(NUM_ANNOTATORS):
        text = question.mistake if (i + turn) % NUM_ANNOTATORS < dissenters else question.answer
        confidence = _CONFIDENCE[population.below(len(_CONFIDENCE), "confidence", question_id, i)]
        rows.append({"answer": text, "answer_confidence": confidence, "answer_id": i + 1})
    return rows


def _rows(population: Population, store: str) -> list[tuple[int, int, Question]]:
    """(image id, question id, question) of every question of a split."""
    return [
        (image_id, image_id * 1000 + i, question)
        for image_id in population.shuffled(store, "vqa")
        for i, question in enumerate(questions(population, population.scene(image_id)))
    ]


def _questions(population: Population, store: str) -> list[dict[str, Any]]:
    rows = _rows(population, store)
    return [{"image_id": image_id, "question": q.text, "question_id": number} for image_id, number, q in rows]


def _annotations(population: Population, store: str) -> list[dict[str, Any]]:
    return [
        {
            "question_type": question.question_type,
            "multiple_choice_answer": question.answer,
            "answers": votes(population, question, question_id),
            "image_id": image_id,
            "answer_type": question.answer_type,
            "question_id": question_id,
        }
        for image_id, question_id, question in _rows(population, store)
    ]


def _colour(population: Population, scene: Scene) -> Question:
    shape = pick_shape(population, scene, "vqa.colour")
    others = [colour for colour in (GREYS if scene.is_greyscale else COLOURS) if colour != shape.colour]
    mistake = others[population.below(len(others), "vqa.colour.mistake", scene.image_id)]
    text = f"What color is {reference(scene, shape)}?"
    return Question(text, shape.colour, mistake, "what color is the", "other")


def _count(population: Population, scene: Scene) -> Question:
    if population.below(2, "vqa.count", scene.image_id):
        kind = pick_shape(population, scene, "vqa.count.kind").kind
        text, count = f"How many {plural(kind)} are there?", scene.count(kind)
    else:
        text, count = "How many shapes are in the picture?", len(scene.shapes)
    return Question(text, str(count), str(count + 1), "how many", "number")


def _exists(population: Population, scene: Scene) -> Question:
    """Half of these are about a shape that is there."""
    if population.below(2, "vqa.exists", scene.image_id):
        kind = pick_shape(population, scene, "vqa.exists.kind").kind
    else:
        absent = [kind for kind in KINDS if not scene.count(kind)]
        kind = absent[population.below(len(absent), "vqa.exists.absent", scene.image_id)]
    return _yes_no(f"Is there {with_article(kind)} in the picture?", scene.count(kind) > 0, "is there a")


def _size(population: Population, scene: Scene) -> Question:
    shape = pick_shape(population, scene, "vqa.size")
    asked = SIZES[population.below(len(SIZES), "vqa.size.asked", scene.image_id)]
    return _yes_no(f"Is {reference(scene, shape)} {asked}?", shape.size == asked, "is the")


def _left_of(population: Population, scene: Scene) -> list[Question]:
    unique = scene.unique_kinds()
    if len(unique) < 2:
        return []
    turn = population.below(2, "vqa.left", scene.image_id)
    one, other = (unique[0], unique[-1]) if turn else (unique[-1], unique[0])
    text = f"Is the {one.kind} to the left of the {other.kind}?"
    return [_yes_no(text, one.column < other.column, "is the")]


def _yes_no(text: str, is_true: bool, question_type: str) -> Question:
    answer, mistake = ("yes", "no") if is_true else ("no", "yes")
    return Question(text, answer, mistake, question_type, "yes/no")
