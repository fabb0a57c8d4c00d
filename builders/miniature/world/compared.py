"""Questions that compare shapes or ask what `questions` never asks, for sets that a model is not tuned on."""

from ib_data.builders.miniature.world.facts import shape_fact
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.questions import Question, pick_pair, yes_no
from ib_data.builders.miniature.world.scene import SIZES, Scene, Shape
from ib_data.builders.miniature.world.words import pick_shape

_COLUMNS = ("left", "center", "right")


def comparing_questions(population: Population, scene: Scene) -> list[Question]:
    """One to five questions with true answers: size, side, above, the same size, which of two shapes is higher."""
    found = [_size(population, scene)]
    unique = scene.unique_kinds()
    if unique:
        found.append(_side(unique[population.below(len(unique), "gqa.side", scene.image_id)]))
    pair = pick_pair(population, scene, "gqa.above", "row")
    if pair:
        one, other = pair
        text, facts = f"Is the {one.kind} above the {other.kind}?", (shape_fact(one), shape_fact(other))
        found.append(yes_no(text, one.row < other.row, "is the", *facts))
        found.append(_higher(*pair))
    two = pick_pair(population, scene, "gqa.same", "kind")
    if two:
        text = f"Do the {two[0].kind} and the {two[1].kind} have the same size?"
        found.append(yes_no(text, two[0].size == two[1].size, "do the", *map(shape_fact, two)))
    return found


def _size(population: Population, scene: Scene) -> Question:
    shape = pick_shape(population, scene, "gqa.size")
    other = SIZES[1 - SIZES.index(shape.size)]
    text = f"What size is the {shape.colour} shape in the {shape.place}?"
    return Question(text, shape.size, other, "what size is the", "other", (shape_fact(shape),))


def _side(shape: Shape) -> Question:
    side, other = _COLUMNS[shape.column], _COLUMNS[(shape.column + 1) % len(_COLUMNS)]
    text = f"On which side of the picture is the {shape.kind}?"
    return Question(text, side, other, "on which side", "other", (shape_fact(shape),))


def _higher(one: Shape, other: Shape) -> Question:
    high, low = (one, other) if one.row < other.row else (other, one)
    text = f"Which is higher, the {one.kind} or the {other.kind}?"
    return Question(text, high.kind, low.kind, "which", "other", (shape_fact(one), shape_fact(other)))
