"""OK-VQA and A-OKVQA of the miniature: questions that need the picture and a little knowledge of the world.

The odd rows of the real files are among them: an empty answer, a broken encoding, answers without a single most
frequent one, a question without answers (OK-VQA); repeated choices and an empty direct answer (A-OKVQA).
"""

from dataclasses import dataclass
from typing import Any

from ib_data.builders.miniature.vqav2 import NUM_ANNOTATORS, header
from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene, Shape
from ib_data.builders.miniature.world.words import CORNERS, THINGS, pick_shape, reference, with_article
from ib_data.cards import Card, SourceFile
from ib_data.keyed import keyed_bits

_OKVQA_STORES = {"train": "coco_train2014", "validation": "coco_val2014"}
_AOKVQA_STORES = {"train": "coco_train2017", "validation": "coco_val2017", "test": "coco_test2017"}
# Row numbers (of every split, counted modulo the cycle) that hold an odd case.
_ODD_CYCLE = 40
_UNANSWERED, _EMPTY, _BROKEN, _TIED = 1, 2, 3, 4
_REPEATED_CHOICES, _EMPTY_DIRECT, _DIFFICULT = 3, 5, 6
_MOJIBAKE = "caf\xe3\xa9 \xe3\xb3leo"
_ID_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ID_LENGTH = 22
_RIGHT_VOTES = (0, 0, 0, 0, 0, 1, 1, 2)  # which of the right answers each annotator gives; the rest err


@dataclass(frozen=True, slots=True)
class Question:
    """A question with right answers (the best first), wrong ones, and three sentences that say why."""

    text: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    rationales: tuple[str, str, str]
    category: str


def question(population: Population, scene: Scene) -> Question:
    """The knowledge question about a scene: what has a shape's colour, or how many corners a shape has."""
    shape = pick_shape(population, scene, "knowledge")
    if shape.kind in CORNERS and population.below(2, "knowledge.form", scene.image_id):
        return _corners(scene, shape)
    return _same_colour(population, scene, shape)


def okvqa_members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The members of one official file of OK-VQA."""
    assert file.split is not None
    assert file.member is not None
    ids = population.shuffled(_OKVQA_STORES[file.split], "okvqa")
    top = header(card.splits[file.split].source_name)
    if file.role == "questions":
        rows = [
            {"image_id": i, "question": question(population, population.scene(i)).text, "question_id": i * 10 + 5}
            for i in ids
        ]
        return {file.member: json_bytes(top | {"questions": rows})}
    numbered = [(n % _ODD_CYCLE, image_id) for n, image_id in enumerate(ids)]
    answered = [_okvqa_answers(population, i, case) for case, i in numbered if case != _UNANSWERED]
    return {file.member: json_bytes(top | {"annotations": answered})}


def aokvqa_members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The members of A-OKVQA's archive that belong to the split of `file`."""
    assert file.split is not None
    assert file.member is not None
    ids = population.shuffled(_AOKVQA_STORES[file.split], "aokvqa")
    has_answers = "answers" in card.splits[file.split].fields
    source_name = card.splits[file.split].source_name
    rows = [_aokvqa_row(population, i, n % _ODD_CYCLE, source_name, has_answers) for n, i in enumerate(ids)]
    return {file.member: json_bytes(rows)}


def _same_colour(population: Population, scene: Scene, shape: Shape) -> Question:
    things = THINGS[shape.colour]
    best = population.below(len(things), "knowledge.best", scene.image_id)
    right = things[best:] + things[:best]
    others = [colour for colour in THINGS if colour != shape.colour]
    start = population.below(len(others), "knowledge.wrong", scene.image_id)
    wrong = tuple(THINGS[others[(start + 3 * i) % len(others)]][0] for i in range(3))
    name = reference(scene, shape)
    rationales = (
        f"T{name[1:]} is {shape.colour}.",
        f"{with_article(right[0]).capitalize()} is often {shape.colour}.",
        f"The thing in the {shape.place} and {with_article(right[0])} have one color.",
    )
    return Question(f"What often has the same color as {name}?", right, wrong, rationales, "six")


def _corners(scene: Scene, shape: Shape) -> Question:
    corners = CORNERS[shape.kind]
    wrong = [str(n) for n in (3, 4, 0, 12, 6) if n != corners][:3]
    rationales = (
        f"The shape in the {shape.place} is {with_article(shape.kind)}.",
        f"{with_article(shape.kind).capitalize()} has {corners} corners.",
        f"Counting the corners of the {shape.kind} gives {corners}.",
    )
    right = (str(corners), "none", "zero") if corners == 0 else (str(corners),)
    return Question(
        f"How many corners does the shape in the {shape.place} have?", right, tuple(wrong), rationales, "ten"
    )


def _okvqa_answers(population: Population, image_id: int, case: int) -> dict[str, Any]:
    asked = question(population, population.scene(image_id))
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
    """What the person typed: the answer is its stem, as in the source."""
    return f"{text}s" if i < 2 and text.isalpha() and text.isascii() else text


def _aokvqa_row(population: Population, image_id: int, case: int, split: str, has_answers: bool) -> dict[str, Any]:
    asked = question(population, population.scene(image_id))
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
