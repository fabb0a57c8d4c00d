"""Questions about a scene with two to five choices."""

from dataclasses import dataclass

from ib_data.builders.miniature.world.facts import ground_fact, shape_fact
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import COLOURS, KINDS, Scene
from ib_data.builders.miniature.world.words import reference

_NUM_CHOICES = (2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with its choices and the index of the right one, and the facts that decide it."""

    question: str
    choices: tuple[str, ...]
    answer: int
    facts: tuple[str, ...]


def choice_question(population: Population, scene: Scene, stream: str) -> Choice:
    """One of three questions that the image answers."""
    shape = scene.shapes[population.below(len(scene.shapes), f"{stream}.shape", scene.image_id)]
    form = population.below(3, f"{stream}.form", scene.image_id)
    if form == 0:
        question = f"Which shape is in the {shape.place}?"
        return _choice(population, scene, question, shape.kind, KINDS, shape_fact(shape))
    if form == 1:
        question = f"What color is {reference(scene, shape)}?"
        return _choice(population, scene, question, shape.colour, tuple(COLOURS), shape_fact(shape))
    odd = len(scene.shapes) % 2
    return Choice("Is the number of shapes even or odd?", ("even", "odd"), odd, (ground_fact(scene),))


def _choice(
    population: Population, scene: Scene, question: str, right: str, known: tuple[str, ...], fact: str
) -> Choice:
    """`right` at a random place among one to four other words."""
    number = _NUM_CHOICES[population.below(len(_NUM_CHOICES), "school.number", scene.image_id)]
    others = [word for word in known if word != right]
    turn = population.below(len(others), "school.turn", scene.image_id)
    wrong = [*others[turn:], *others[:turn]][: number - 1]
    answer = population.below(number, "school.place", scene.image_id)
    return Choice(question, (*wrong[:answer], right, *wrong[answer:]), answer, (fact,))
