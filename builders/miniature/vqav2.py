"""VQA v2 of the miniature: questions with ten answers, most of them true."""

from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.questions import Question, questions, votes
from ib_data.cards import Card, SourceFile

_STORES = {"train": "coco_train2014", "validation": "coco_val2014", "test": "coco_test2015"}
_TEST_DEV_SHARE = 4  # every fourth question of the test split is also in test-dev
_LICENCE = {"url": "http://creativecommons.org/publicdomain/zero/1.0/", "name": "CC0"}


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
    """The header keys of a file of the VQA family."""
    return {
        "info": {"description": "a drawn miniature in the form of VQA", "version": "2.0", "year": 2017},
        "task_type": "Open-Ended",
        "data_type": "mscoco",
        "license": _LICENCE,
        "data_subtype": source_name,
    }


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
