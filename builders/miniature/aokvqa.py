"""A-OKVQA of the miniature: questions that need some knowledge, with choices, direct answers and rationales.

Includes odd rows of the real files: repeated choices and an empty direct answer.
"""

from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.knowledge import knowledge_question
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.questions import NUM_ANNOTATORS
from ib_data.cards import Card, SourceFile
from ib_data.keyed import keyed_bits

_STORES = {"train": "coco_train2017", "validation": "coco_val2017", "test": "coco_test2017"}
# Row numbers with an odd case, in every split, modulo the cycle.
_ODD_CYCLE = 40
_REPEATED_CHOICES, _EMPTY_DIRECT, _DIFFICULT = 3, 5, 6
_ID_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ID_LENGTH = 22
_RIGHT_VOTES = (0, 0, 0, 0, 0, 1, 1, 2)  # which of the right answers each annotator gives; the rest err


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The members of A-OKVQA's archive that belong to the split of `file`."""
    assert file.split is not None
    assert file.member is not None
    ids = population.shuffled(_STORES[file.split], "aokvqa")
    has_answers = "answers" in card.splits[file.split].fields
    source_name = card.splits[file.split].source_name
    rows = [_row(population, i, n % _ODD_CYCLE, source_name, has_answers) for n, i in enumerate(ids)]
    return {file.member: json_bytes(rows)}


def _row(population: Population, image_id: int, case: int, split: str, has_answers: bool) -> dict[str, Any]:
    asked = knowledge_question(population, population.scene(image_id))
    right = population.below(4, "aokvqa.right", image_id)
    choices = [*asked.wrong[:right], asked.right[0], *asked.wrong[right:]]
    if case == _REPEATED_CHOICES:
        right, choices = 2, [asked.right[0], asked.wrong[0], asked.right[0], asked.wrong[1]]
    answers = [asked.right[i % len(asked.right)] for i in _RIGHT_VOTES]
    answers += list(asked.wrong[: NUM_ANNOTATORS - len(_RIGHT_VOTES)])
    if case == _EMPTY_DIRECT:
        answers[-1] = ""
    row: dict[str, Any] = {
        "split": split,
        "image_id": image_id,
        "question_id": _question_id(population.seed, image_id),
        "question": asked.text,
        "choices": choices,
    }
    if has_answers:
        row["correct_choice_idx"] = right
        row["direct_answers"] = answers
    row["difficult_direct_answer"] = case == _DIFFICULT
    if has_answers:
        row["rationales"] = list(asked.rationales)
    return row


def _question_id(seed: int, image_id: int) -> str:
    bits = keyed_bits(seed, "miniature.aokvqa.id", image_id)
    letters = []
    for _ in range(_ID_LENGTH):
        bits, letter = divmod(bits, len(_ID_LETTERS))
        letters.append(_ID_LETTERS[letter])
    return "".join(letters)
