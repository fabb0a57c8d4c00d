"""Questions that need the image and a little knowledge of the world."""

from dataclasses import dataclass

from ib_data.builders.miniature.world.facts import shape_fact
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene, Shape
from ib_data.builders.miniature.world.words import CORNERS, THINGS, pick_shape, reference, with_article


@dataclass(frozen=True, slots=True)
class KnowledgeQuestion:
    """A question with right answers (the best first), wrong ones, and three sentences that say why."""

    text: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    rationales: tuple[str, str, str]
    category: str
    facts: tuple[str, ...]


def knowledge_question(population: Population, scene: Scene) -> KnowledgeQuestion:
    """The knowledge question about a scene: what has a shape's colour, or how many corners a shape has."""
    shape = pick_shape(population, scene, "knowledge")
    if shape.kind in CORNERS and population.below(2, "knowledge.form", scene.image_id):
        return _corners(scene, shape)
    return _same_colour(population, scene, shape)


def _same_colour(population: Population, scene: Scene, shape: Shape) -> KnowledgeQuestion:
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
    text = f"What often has the same color as {name}?"
    return KnowledgeQuestion(text, right, wrong, rationales, "six", (shape_fact(shape),))


def _corners(scene: Scene, shape: Shape) -> KnowledgeQuestion:
    corners = CORNERS[shape.kind]
    wrong = [str(n) for n in (3, 4, 0, 12, 6) if n != corners][:3]
    rationales = (
        f"The shape in the {shape.place} is {with_article(shape.kind)}.",
        f"{with_article(shape.kind).capitalize()} has {corners} corners.",
        f"Counting the corners of the {shape.kind} gives {corners}.",
    )
    right = (str(corners), "none", "zero") if corners == 0 else (str(corners),)
    text = f"How many corners does the shape in the {shape.place} have?"
    return KnowledgeQuestion(text, right, tuple(wrong), rationales, "ten", (shape_fact(shape),))
