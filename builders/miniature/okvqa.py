"""OK-VQA of the miniature: questions that need some knowledge, in the files of the VQA family.

Includes odd rows of the real files: an empty answer, a broken encoding, answers without a single most frequent one, a
question without answers.
"""

from typing import Any

from ib_data.builders.miniature.vqav2 import header
from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.knowledge import knowledge_question
from ib_data.builders.miniature.world.population import Population
from ib_data.cards import Card, SourceFile

_STORES = {"train": "coco_train2014", "validation": "coco_val2014"}
# Row numbers with an odd case, in every split, modulo the cycle.
_ODD_CYCLE = 40
_UNANSWERED, _EMPTY, _BROKEN, _TIED = 1, 2, 3, 4
_MOJIBAKE = "caf\xe3\xa9 \xe3\xb3leo"


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The members of one official file of OK-VQA."""
    assert file.split is not None
    assert file.member is not None
    ids = population.shuffled(_STORES[file.split], "okvqa")
    top = header(card.splits[file.split].source_name)
    if file.role == "questions":
        asked = [(i, knowledge_question(population, population.scene(i))) for i in ids]
        rows = [{"image_id": i, "question": q.text, "question_id": i * 10 + 5} for i, q in asked]
        return {file.member: json_bytes(top | {"questions": rows})}
    numbered = [(n % _ODD_CYCLE, image_id) for n, image_id in enumerate(ids)]
    answered = [_answers(population, i, case) for case, i in numbered if case != _UNANSWERED]
    return {file.member: json_bytes(top | {"annotations": answered})}


def _answers(population: Population, image_id: int, case: int) -> dict[str, Any]:
    asked = knowledge_question(population, population.scene(image_id))
    best, second = asked.right[0], asked.right[1 % len(asked.right)]
    people = [best, best, best, second, asked.wrong[0]]
    if case == _EMPTY:
        people[3] = ""
    elif case == _BROKEN:
        people[4] = _MOJIBAKE
    elif case == _TIED:
        people = [best, best, asked.wrong[0], asked.wrong[0], asked.wrong[1]]
    answers = [
        {"answer_id": i + 1, "raw_answer": _raw(text, i), "answer_confidence": "yes", "answer": text}
        for i, text in enumerate(person for person in people for _ in range(2))
    ]
    return {
        "image_id": image_id,
        "answer_type": "other",
        "question_type": asked.category,
        "question_id": image_id * 10 + 5,
        "answers": answers,
        "confidence": 3,
    }


def _raw(text: str, i: int) -> str:
    """The answer as typed; `answer` is its stem, as in the source."""
    return f"{text}s" if i < 2 and text.isalpha() and text.isascii() else text
