"""Questions about a scene with one true answer, and the answers of ten annotators, some of them wrong."""

from dataclasses import dataclass
from typing import Any

from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import COLOURS, GREYS, KINDS, SIZES, Scene
from ib_data.builders.miniature.world.words import pick_shape, plural, reference, with_article

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
    """A yes/no question about a kind of shape; for half of them the answer is yes."""
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
