"""Questions about a scene with one true answer, and the answers of ten annotators, some of them wrong.

Answers are balanced, so that a guess without the image gains little: of the questions with yes or no half are true, and
every count that a scene has is asked for alike.
"""

from dataclasses import dataclass
from typing import Any

from ib_data.builders.miniature.world.facts import count_fact, ground_fact, shape_fact
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import COLOURS, GREYS, KINDS, SIZES, Scene, Shape
from ib_data.builders.miniature.world.words import pick_shape, plural, reference, with_article

_CONFIDENCE = ("yes", "yes", "yes", "maybe", "no")
_NUM_DISSENTERS = (0, 0, 1, 2, 3)
NUM_ANNOTATORS = 10


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its true answer, an answer that a hasty annotator might give, and the facts that decide it."""

    text: str
    answer: str
    mistake: str
    question_type: str
    answer_type: str
    facts: tuple[str, ...]


def questions(population: Population, scene: Scene) -> list[Question]:
    """Five to six questions about a scene, with true answers."""
    found = [_colour(population, scene), _count(population, scene), _exists(population, scene)]
    found += [_size(population, scene), _kind(population, scene), *_left_of(population, scene)]
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


def pick_pair(population: Population, scene: Scene, stream: str, along: str) -> tuple[Shape, Shape] | None:
    """Two shapes of unique kinds with different values of the attribute `along`, in random order, if there are any."""
    unique = scene.unique_kinds()
    pairs = [(a, b) for a in unique for b in unique if getattr(a, along) != getattr(b, along)]
    return pairs[population.below(len(pairs), stream, scene.image_id)] if pairs else None


def yes_no(text: str, is_true: bool, question_type: str, *facts: str) -> Question:
    """A question that is answered with yes or no."""
    answer, mistake = ("yes", "no") if is_true else ("no", "yes")
    return Question(text, answer, mistake, question_type, "yes/no", facts)


def _colour(population: Population, scene: Scene) -> Question:
    shape = pick_shape(population, scene, "vqa.colour")
    others = [colour for colour in (GREYS if scene.is_greyscale else COLOURS) if colour != shape.colour]
    mistake = others[population.below(len(others), "vqa.colour.mistake", scene.image_id)]
    text = f"What color is {reference(scene, shape)}?"
    return Question(text, shape.colour, mistake, "what color is the", "other", (shape_fact(shape),))


def _count(population: Population, scene: Scene) -> Question:
    if population.below(2, "vqa.count", scene.image_id):
        counts = sorted({scene.count(kind) for kind in KINDS})
        count = counts[population.below(len(counts), "vqa.count.number", scene.image_id)]
        kinds = [kind for kind in KINDS if scene.count(kind) == count]
        kind = kinds[population.below(len(kinds), "vqa.count.kind", scene.image_id)]
        text, fact = f"How many {plural(kind)} are there?", count_fact(scene, kind)
    else:
        text, count, fact = "How many shapes are in the picture?", len(scene.shapes), ground_fact(scene)
    return Question(text, str(count), str(count + 1), "how many", "number", (fact,))


def _exists(population: Population, scene: Scene) -> Question:
    """A yes/no question about a kind of shape; for half of them the answer is yes."""
    if population.below(2, "vqa.exists", scene.image_id):
        kind = pick_shape(population, scene, "vqa.exists.kind").kind
    else:
        absent = [kind for kind in KINDS if not scene.count(kind)]
        kind = absent[population.below(len(absent), "vqa.exists.absent", scene.image_id)]
    text = f"Is there {with_article(kind)} in the picture?"
    return yes_no(text, scene.count(kind) > 0, "is there a", count_fact(scene, kind))


def _size(population: Population, scene: Scene) -> Question:
    shape = pick_shape(population, scene, "vqa.size")
    asked = SIZES[population.below(len(SIZES), "vqa.size.asked", scene.image_id)]
    return yes_no(f"Is {reference(scene, shape)} {asked}?", shape.size == asked, "is the", shape_fact(shape))


def _kind(population: Population, scene: Scene) -> Question:
    shape = pick_shape(population, scene, "vqa.kind")
    others = [kind for kind in KINDS if kind != shape.kind]
    mistake = others[population.below(len(others), "vqa.kind.mistake", scene.image_id)]
    text = f"What shape is in the {shape.place}?"
    return Question(text, shape.kind, mistake, "what shape is in the", "other", (shape_fact(shape),))


def _left_of(population: Population, scene: Scene) -> list[Question]:
    pair = pick_pair(population, scene, "vqa.left", "column")
    if pair is None:
        return []
    one, other = pair
    text = f"Is the {one.kind} to the left of the {other.kind}?"
    return [yes_no(text, one.column < other.column, "is the", shape_fact(one), shape_fact(other))]
