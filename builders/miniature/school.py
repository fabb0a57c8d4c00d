"""IconQA and ScienceQA of the miniature: school questions about diagrams, with a few texts to choose from.

The odd cases of the real files are among them: problems of IconQA's two other subtasks, whose choices are file names or
whose answer is a text; texts over several lines, a hole in a sentence, choices that are pictures of a problem without
one, and problems without any picture (ScienceQA).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.photos import draw_png
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import COLOURS, KINDS, Scene
from ib_data.builders.miniature.world.words import CORNERS, NUMBERS, listing, reference, with_article
from ib_data.cards import Card, SourceFile
from ib_data.keyed import keyed_bits

_ICON_SCENES, _SCIENCE_SCENES = 3_000_000, 4_000_000
_SPLITS = ("test", "train", "val", "test")
_OTHER_CYCLE, _WITH_OTHERS = 8, 3  # of so many problems of IconQA, so many have one of each other subtask beside them
_ODD_CYCLE = 7  # of so many problems of ScienceQA, one of each odd case
_HOLE, _NO_HINT, _PICTURE_CHOICES = 2, 3, 5
_TEXT_ONLY_CYCLE = 5  # of so many problems of ScienceQA, one has no image
_MINI_STEP = 8
_NUM_CHOICES = (2, 3, 4, 5)
_TOP = "iconqa_data"
_LECTURE = (
    "A corner is a point where two straight sides meet.\n"
    "A circle has no corner. A triangle has three.\nA square and a diamond have four."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with its choices and the index of the right one."""

    question: str
    choices: tuple[str, ...]
    answer: int


def iconqa_members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The annotation members of the one archive: a file a problem, and the two files that list them all."""
    members: dict[str, bytes] = {}
    problems: dict[str, dict[str, Any]] = {}
    splits: dict[str, list[str]] = {}
    for split, subtask, number, scene in _icon_problems(population):
        pid = str(number)
        problems[pid] = _icon_problem(population, scene, subtask)
        splits.setdefault(f"{subtask}_{split}", []).append(pid)
        # Written over several lines, as in the source.
        members[f"{_folder(split, subtask, number)}/data.json"] = json.dumps(problems[pid], indent=2).encode("ascii")
    members[f"{_TOP}/problems.json"] = json_bytes(problems)
    members[f"{_TOP}/pid_splits.json"] = json_bytes(splits)
    return members


def iconqa_pictures(population: Population, wanted: str) -> Iterator[tuple[str, bytes]]:
    """(member name, PNG) of the diagrams of one split, and of the choices that are pictures."""
    for split, subtask, number, scene in _icon_problems(population):
        if split == wanted:
            folder = _folder(split, subtask, number)
            yield f"{folder}/image.png", draw_png(scene)
            if subtask == "choose_img":
                other = population.scene(scene.image_id - 1)
                yield f"{folder}/choice_0.png", draw_png(scene, has_alpha=True)
                yield f"{folder}/choice_1.png", draw_png(other, has_alpha=True)


def scienceqa_members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file: all problems, or the lists of their ids."""
    problems = {str(pid): _science_problem(population, pid) for pid in _science_ids(population)}
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


def scienceqa_pictures(population: Population, wanted: str) -> Iterator[tuple[str, bytes]]:
    """(member name, PNG) of the images of one split, and of the choices that are pictures."""
    for pid in _science_ids(population):
        problem = _science_problem(population, pid)
        if problem["split"] == wanted:
            scene = _science_scene(population, pid)
            if problem["image"]:
                yield f"{wanted}/{pid}/image.png", draw_png(scene)
            elif pid % _ODD_CYCLE == _PICTURE_CHOICES:
                for i in range(len(problem["choices"])):
                    yield f"{wanted}/{pid}/choice_{i}.png", draw_png(scene, has_alpha=True)


ICONQA_PICTURES = {f"iconqa_{split}": partial(iconqa_pictures, wanted=split) for split in sorted(set(_SPLITS))}
SCIENCEQA_PICTURES = {f"scienceqa_{split}": partial(scienceqa_pictures, wanted=split) for split in sorted(set(_SPLITS))}


def _icon_problems(population: Population) -> Iterator[tuple[str, str, int, Scene]]:
    """(split, subtask, problem id, scene) of every problem; ids are unique over all subtasks and splits."""
    for number in range(max(len(_SPLITS), population.num_images)):
        split = _SPLITS[number % len(_SPLITS)]
        subtasks = (
            ("choose_txt", "choose_img", "fill_in_blank") if number % _OTHER_CYCLE < _WITH_OTHERS else ("choose_txt",)
        )
        for i, subtask in enumerate(subtasks):
            yield split, subtask, 7 + 3 * number + i, population.scene(_ICON_SCENES + 3 * number + i)


def _folder(split: str, subtask: str, number: int) -> str:
    return f"{_TOP}/iconqa/{split}/{subtask}/{number}"


def _icon_problem(population: Population, scene: Scene, subtask: str) -> dict[str, Any]:
    body: dict[str, Any]
    if subtask == "fill_in_blank":
        body = {"question": "There are (_) shapes in the picture.", "answer": str(len(scene.shapes))}
    elif subtask == "choose_img":
        body = {"question": "Which is the same picture?", "choices": ["choice_0.png", "choice_1.png"], "answer": 0}
    else:
        asked = _about(population, scene, "iconqa")
        body = {"question": asked.question, "choices": list(asked.choices), "answer": asked.answer}
    return {**body, "ques_type": subtask, "grade": f"grade{1 + len(scene.shapes) % 3}", "label": "S1"}


def _about(population: Population, scene: Scene, stream: str) -> Choice:
    """One of three questions that the picture answers."""
    shape = scene.shapes[population.below(len(scene.shapes), f"{stream}.shape", scene.image_id)]
    form = population.below(3, f"{stream}.form", scene.image_id)
    if form == 0:
        return _choice(population, scene, f"Which shape is in the {shape.place}?", shape.kind, KINDS)
    if form == 1:
        question = f"What color is {reference(scene, shape)}?"
        return _choice(population, scene, question, shape.colour, tuple(COLOURS))
    odd = len(scene.shapes) % 2
    return Choice("Is the number of shapes even or odd?", ("even", "odd"), odd)


def _choice(population: Population, scene: Scene, question: str, right: str, known: tuple[str, ...]) -> Choice:
    """`right` among one to four other words, at a place of its own."""
    number = _NUM_CHOICES[population.below(len(_NUM_CHOICES), "school.number", scene.image_id)]
    others = [word for word in known if word != right]
    turn = population.below(len(others), "school.turn", scene.image_id)
    wrong = [*others[turn:], *others[:turn]][: number - 1]
    answer = population.below(number, "school.place", scene.image_id)
    return Choice(question, (*wrong[:answer], right, *wrong[answer:]), answer)


def _science_ids(population: Population) -> range:
    """About as many problems with an image as there are photos, and those without."""
    num_images = max(len(_SPLITS), population.num_images)
    return range(1, 1 + num_images + num_images // (_TEXT_ONLY_CYCLE - 1))


def _science_scene(population: Population, pid: int) -> Scene:
    return population.scene(_SCIENCE_SCENES + pid)


def _science_problem(population: Population, pid: int) -> dict[str, Any]:
    scene = _science_scene(population, pid)
    has_image = pid % _TEXT_ONLY_CYCLE != 0 and pid % _ODD_CYCLE != _PICTURE_CHOICES
    asked, hint, solution = _with_image(population, scene, pid) if has_image else _without_image(scene)
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


def _with_image(population: Population, scene: Scene, pid: int) -> tuple[Choice, str, str]:
    """(question, hint, solution) over several lines."""
    asked = _about(population, scene, "scienceqa")
    names = listing([with_article(shape.name) for shape in scene.shapes])
    noun = "shape" if len(scene.shapes) == 1 else "shapes"
    subject = "The 's" if pid % _ODD_CYCLE == _HOLE else "The picture's"
    hint = f"{subject} background is {scene.background}.\nIt has {NUMBERS[len(scene.shapes)]} {noun}.\nFigure: {names}."
    solution = f"Look at the picture.\nIt shows {names}.\nThe answer is {asked.choices[asked.answer]}."
    question = Choice(f"Look at the picture.\n{asked.question}", asked.choices, asked.answer)
    return question, "" if pid % _ODD_CYCLE == _NO_HINT else hint, solution


def _without_image(scene: Scene) -> tuple[Choice, str, str]:
    kinds = sorted(CORNERS, key=lambda kind: (CORNERS[kind], kind))
    few, many = kinds[0], kinds[1 + len(scene.shapes) % (len(kinds) - 1)]
    choices = (few, many) if scene.is_textured else (many, few)
    asked = Choice("Which shape has more corners?", choices, choices.index(many))
    return asked, "", f"A {few} has {CORNERS[few]} corners.\nA {many} has {CORNERS[many]}."
