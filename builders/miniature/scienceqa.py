"""ScienceQA of the miniature: school problems with a lecture and a solution, most of them with an image.

Includes odd cases of the real files: texts over several lines, a gap in a sentence, a problem whose only images are
its choices, and problems without any image.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.choices import Choice, choice_question
from ib_data.builders.miniature.world.facts import named_shapes
from ib_data.builders.miniature.world.images import draw_png
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene
from ib_data.builders.miniature.world.words import CORNERS, listing, with_article
from ib_data.cards import Card, SourceFile
from ib_data.keyed import keyed_bits

_SCENES = 4_000_000
_SPLITS = ("test", "train", "val", "test")
_ODD_CYCLE = 7  # one of each odd case in this many problems
_HOLE, _NO_HINT, _IMAGE_CHOICES = 2, 3, 5
_TEXT_ONLY_CYCLE = 5  # one problem without an image in this many
_MINI_STEP = 8
_LECTURE = (
    "A corner is a point where two straight sides meet.\n"
    "A circle has no corner. A triangle has three.\nA square and a diamond have four."
)


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file: all problems, or the lists of their ids."""
    problems = {str(pid): _problem(population, pid) for pid in _ids(population)}
    if file.role == "annotations":
        return {file.name: json_bytes(problems)}
    lists: dict[str, list[str]] = {name: [] for name in ("train", "val", "test", "trainval")}
    for pid in sorted(problems, key=lambda pid: keyed_bits(population.seed, "miniature.shuffle.scienceqa", int(pid))):
        split = problems[pid]["split"]
        lists[split].append(pid)
        if split != "test":
            lists["trainval"].append(pid)
    lists |= {f"mini{name}": lists[name][::_MINI_STEP] for name in ("train", "val", "test")}
    return {file.name: json_bytes(lists)}


def images(population: Population, wanted: str) -> Iterator[tuple[str, bytes]]:
    """(member name, PNG) of the images of one split, and of the choices that are images."""
    for pid in _ids(population):
        problem = _problem(population, pid)
        if problem["split"] == wanted:
            scene = _scene(population, pid)
            if problem["image"]:
                yield f"{wanted}/{pid}/image.png", draw_png(scene)
            elif pid % _ODD_CYCLE == _IMAGE_CHOICES:
                for i in range(len(problem["choices"])):
                    yield f"{wanted}/{pid}/choice_{i}.png", draw_png(scene, has_alpha=True)


def _ids(population: Population) -> range:
    """About as many problems with an image as there are images, and those without."""
    num_images = max(len(_SPLITS), population.num_images)
    return range(1, 1 + num_images + num_images // (_TEXT_ONLY_CYCLE - 1))


def _scene(population: Population, pid: int) -> Scene:
    return population.scene(_SCENES + pid)


def _problem(population: Population, pid: int) -> dict[str, Any]:
    scene = _scene(population, pid)
    has_image = pid % _TEXT_ONLY_CYCLE != 0 and pid % _ODD_CYCLE != _IMAGE_CHOICES
    asked, hint, solution = with_image(population, scene, pid) if has_image else without_image(scene)
    return {
        "question": asked.question,
        "choices": list(asked.choices),
        "answer": asked.answer,
        "hint": hint,
        "image": "image.png" if has_image else None,
        "task": "closed choice",
        "grade": f"grade{2 + pid % 7}",
        "subject": "natural science" if has_image else "language science",
        "topic": "geometry",
        "category": "Shapes",
        "skill": "Look at a picture of shapes" if has_image else "Compare shapes",
        "lecture": _LECTURE,
        "solution": solution,
        "split": _SPLITS[(pid - 1) % len(_SPLITS)],
    }


def with_image(population: Population, scene: Scene, pid: int) -> tuple[Choice, str, str]:
    """(question, hint, solution) of a problem about an image; the last two have several lines."""
    asked = choice_question(population, scene, "scienceqa")
    names = listing([with_article(shape.name) for shape in named_shapes(scene)])
    subject = "The 's" if pid % _ODD_CYCLE == _HOLE else "The picture's"
    # The hint is about the background only, so that the questions need the image.
    pattern = "striped" if scene.is_textured else "plain"
    hint = f"{subject} background is {scene.background}.\nIt is {pattern}.\nFigure: shapes in rows and columns."
    solution = f"Look at the picture.\nIt shows {names}.\nThe answer is {asked.choices[asked.answer]}."
    question = Choice(f"Look at the picture.\n{asked.question}", asked.choices, asked.answer, asked.facts)
    return question, "" if pid % _ODD_CYCLE == _NO_HINT else hint, solution


def without_image(scene: Scene) -> tuple[Choice, str, str]:
    """(question, hint, solution) of a problem without an image."""
    kinds = sorted(CORNERS, key=lambda kind: (CORNERS[kind], kind))
    few, many = kinds[0], kinds[1 + len(scene.shapes) % (len(kinds) - 1)]
    choices = (few, many) if scene.is_textured else (many, few)
    asked = Choice("Which shape has more corners?", choices, choices.index(many), ())
    return asked, "", f"A {few} has {CORNERS[few]} corners.\nA {many} has {CORNERS[many]}."


MEDIA = {f"scienceqa_{split}": partial(images, wanted=split) for split in sorted(set(_SPLITS))}
