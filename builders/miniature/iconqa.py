"""IconQA of the miniature: questions about diagrams, one folder per question.

Includes odd cases of the real files: problems of the two other subtasks, whose choices are file names or whose answer
is a text.
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from ib_data.builders.miniature.world.archives import json_bytes
from ib_data.builders.miniature.world.choices import choice_question
from ib_data.builders.miniature.world.images import draw_png
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import Scene
from ib_data.cards import Card, SourceFile

_SCENES = 3_000_000
_SPLITS = ("test", "train", "val", "test")
_OTHER_CYCLE, _WITH_OTHERS = 8, 3  # out of 8 problems, 3 are accompanied by one of each other subtask
_TOP = "iconqa_data"


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The annotation members of the archive: one file per problem, and the two files that list them all."""
    members: dict[str, bytes] = {}
    problems: dict[str, dict[str, Any]] = {}
    splits: dict[str, list[str]] = {}
    for split, subtask, number, scene in _problems(population):
        pid = str(number)
        problems[pid] = _problem(population, scene, subtask)
        splits.setdefault(f"{subtask}_{split}", []).append(pid)
        # Written over several lines, as in the source.
        members[f"{_folder(split, subtask, number)}/data.json"] = json.dumps(problems[pid], indent=2).encode("ascii")
    members[f"{_TOP}/problems.json"] = json_bytes(problems)
    members[f"{_TOP}/pid_splits.json"] = json_bytes(splits)
    return members


def images(population: Population, wanted: str) -> Iterator[tuple[str, bytes]]:
    """(member name, PNG) of the diagrams of one split, and of the choices that are images."""
    for split, subtask, number, scene in _problems(population):
        if split == wanted:
            folder = _folder(split, subtask, number)
            yield f"{folder}/image.png", draw_png(scene)
            if subtask == "choose_img":
                other = population.scene(scene.image_id - 1)
                yield f"{folder}/choice_0.png", draw_png(scene, has_alpha=True)
                yield f"{folder}/choice_1.png", draw_png(other, has_alpha=True)


def _problems(population: Population) -> Iterator[tuple[str, str, int, Scene]]:
    """(split, subtask, problem id, scene) of every problem; ids are unique over all subtasks and splits."""
    for number in population.numbers(len(_SPLITS)):
        split = _SPLITS[number % len(_SPLITS)]
        subtasks = (
            ("choose_txt", "choose_img", "fill_in_blank") if number % _OTHER_CYCLE < _WITH_OTHERS else ("choose_txt",)
        )
        for i, subtask in enumerate(subtasks):
            yield split, subtask, 7 + 3 * number + i, population.scene(_SCENES + 3 * number + i)


def _folder(split: str, subtask: str, number: int) -> str:
    return f"{_TOP}/iconqa/{split}/{subtask}/{number}"


def _problem(population: Population, scene: Scene, subtask: str) -> dict[str, Any]:
    body: dict[str, Any]
    if subtask == "fill_in_blank":
        body = {"question": "There are (_) shapes in the picture.", "answer": str(len(scene.shapes))}
    elif subtask == "choose_img":
        body = {"question": "Which is the same picture?", "choices": ["choice_0.png", "choice_1.png"], "answer": 0}
    else:
        asked = choice_question(population, scene, "iconqa")
        body = {"question": asked.question, "choices": list(asked.choices), "answer": asked.answer}
    return {**body, "ques_type": subtask, "grade": f"grade{1 + len(scene.shapes) % 3}", "label": "S1"}


MEDIA = {f"iconqa_{split}": partial(images, wanted=split) for split in sorted(set(_SPLITS))}
