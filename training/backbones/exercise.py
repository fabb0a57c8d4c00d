"""An exercise: an annotation of one of the product's datasets, with the facts that decide it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ib_data.builders.miniature.world.facts import count_fact, ground_fact, shape_fact
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.questions import Question
from ib_data.builders.miniature.world.scene import ALL_COLOURS, KINDS, SIZES, Scene
from ib_data.sample import Annotation, Answer

WORLD = Population(seed=60, num_images=1000)
_FREQUENT, _RARE = 19, 1  # of 20 answers one is a hasty annotator's, so that the model knows these forms too


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """An annotation of a dataset, and what decides it.

    `facts` decide it; `brief` are the same facts with the words alone that are needed; `others` are further true facts
    of the image. A clip has `frames`, the facts of each of its frames, in place of facts. `right` are all right
    answers, the best first; without any, there are several true texts. `ordered`: the facts stand in the order of a
    caption.
    """

    dataset: str
    kind: str
    annotation: Annotation
    facts: tuple[str, ...] = ()
    brief: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    frames: tuple[tuple[str, ...], ...] = ()
    right: tuple[str, ...] = ()
    ordered: bool = False


def brief_fact(fact: str, text: str, answers: Sequence[str] = ()) -> str:
    """The words of a shape's fact that `text` mentions or that are of a sort in `answers`: place, size, color, kind."""
    kept = []
    asked = text.lower()
    has_place = "in the" in asked
    for word in fact.split():
        sort = "kind" if word in KINDS else "color" if word in ALL_COLOURS else "size" if word in SIZES else "place"
        is_said = has_place and f" {word}" in asked if sort == "place" else f" {word}" in asked
        if sort in answers or is_said:
            kept.append(word)
    return " ".join(kept)


def scene_facts(scene: Scene) -> tuple[str, ...]:
    """All facts of a scene that questions need: shapes, counts of all kinds, ground."""
    return (*map(shape_fact, scene.shapes), *(count_fact(scene, kind) for kind in KINDS), ground_fact(scene))


def likely_answers(best: str, mistake: str = "") -> tuple[Answer, ...]:
    """The best answer nearly always, and a mistake if there is one."""
    return (Answer(best, _FREQUENT), *([Answer(mistake, _RARE)] if mistake and mistake != best else []))


# Beginning of the question -> the sorts of words in the fact that the answer needs.
_SORTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("what color", ("color",)),
    ("what size", ("size",)),
    ("what shape is in", ("kind",)),
    ("which shape is in", ("kind",)),
    ("on which side", ("place",)),
    ("which is higher", ("place",)),
    ("do the", ("size",)),
    ("how many corners", ("kind",)),
    ("what often", ("color",)),
    ("which kind of shape", ("kind",)),
)


def _sorts(text: str) -> tuple[str, ...]:
    low = text.lower().removeprefix("look at the picture.\n")
    for start, sorts in _SORTS:
        if low.startswith(start):
            return sorts
    return ("place",) if " left of" in low or " above" in low else ("size",)


def brief_facts(facts: Sequence[str], text: str) -> tuple[str, ...]:
    """Facts with the needed words alone. Counts stay as they are; of a ground only what is asked is kept."""
    found = []
    for fact in facts:
        words = fact.split()
        if words[0] == "count":
            found.append(fact)
        elif words[-1] == "shapes":
            ground = {"background striped": (0,), "color is the background": (1,), "picture in color": (3,)}
            kept = next((places for key, places in ground.items() if key in text), (-2, -1))
            found.append(" ".join(words[i] for i in kept) + (" background" if "background" in text else ""))
        else:
            found.append(brief_fact(fact, text, _sorts(text)))
    return tuple(found)


def asked_exercise(dataset: str, kind: str, scene: Scene, question: Question) -> Exercise:
    """The exercise of a question about a scene."""
    annotation = Annotation(
        id=str(scene.image_id), question=question.text, answers=likely_answers(question.answer, question.mistake)
    )
    return exercise_about(dataset, kind, scene, annotation, question.facts, (question.answer,))


def exercise_about(
    dataset: str, kind: str, scene: Scene, annotation: Annotation, facts: Sequence[str], right: tuple[str, ...]
) -> Exercise:
    """The exercise of an annotation of a scene that `facts` decide."""
    text = annotation.question or annotation.statement or ""
    return Exercise(
        dataset=dataset,
        kind=kind,
        annotation=annotation,
        facts=tuple(facts),
        brief=brief_facts(facts, text),
        others=scene_facts(scene),
        right=right,
    )
