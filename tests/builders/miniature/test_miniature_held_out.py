"""The miniature's nocaps, Flickr30k, IconQA and ScienceQA: odd cases, and texts true about the scenes."""

import io
import json
import re
import zipfile
from collections import Counter

import pytest
from mini_mirror import PLACES, WORLD, shape_meant
from PIL import Image

from ib_data.builders.miniature import flickr30k, iconqa, nocaps, scienceqa
from ib_data.cards import load_card


def official(members, dataset: str, number: int = 0) -> dict[str, bytes]:
    card = load_card(dataset)
    return members(WORLD, card, card.files[number])


def test_nocaps_has_ten_captions_per_image_and_all_three_domains() -> None:
    (data,) = official(nocaps.members, "nocaps").values()
    value = json.loads(data)
    assert (len(value["images"]), len(value["annotations"])) == (40, 400)
    assert {image["domain"] for image in value["images"]} == {"in-domain", "near-domain", "out-domain"}
    assert set(Counter(row["image_id"] for row in value["annotations"]).values()) == {10}
    assert [data] == list(official(nocaps.members, "nocaps", 1).values())


def test_flickr30k_has_five_captions_per_image_in_three_splits() -> None:
    (data,) = official(flickr30k.members, "flickr30k").values()
    images = json.loads(data)["images"]
    assert Counter(image["split"] for image in images) == {"test": 20, "train": 10, "val": 10}
    assert {len(image["sentences"]) for image in images} == {5}
    photos = {name.rpartition("/")[2] for name, _ in flickr30k.images(WORLD)}
    assert {image["filename"] for image in images} == photos


def test_iconqa_has_all_three_subtasks_and_png_images() -> None:
    members = official(iconqa.members, "iconqa")
    problems = [json.loads(data) for name, data in members.items() if name.endswith("data.json")]
    counts = Counter(problem["ques_type"] for problem in problems)
    assert counts == {"choose_txt": 40, "choose_img": 15, "fill_in_blank": 15}
    assert len(json.loads(members["iconqa_data/problems.json"])) == len(problems)
    pictures = {name: data for pictures in iconqa.MEDIA.values() for name, data in pictures(WORLD)}
    assert {name.replace("data.json", "image.png") for name in members if name.endswith("data.json")} <= set(pictures)
    assert {Image.open(io.BytesIO(data)).format for data in pictures.values()} == {"PNG"}


def right(scene, question: str) -> str:
    """The answer that the scene itself gives."""
    if "even or odd" in question:
        return "odd" if len(scene.shapes) % 2 else "even"
    place = re.search(r"Which shape is in the ([a-z ]+)\?", question)
    if place:
        return next(s.kind for s in scene.shapes if (s.column, s.row) == PLACES[place[1]])
    return shape_meant(scene, question).colour


def test_the_right_choice_of_iconqa_is_what_the_diagram_shows() -> None:
    for _, subtask, number, scene in iconqa._problems(WORLD):
        problem = iconqa._problem(WORLD, scene, subtask)
        if subtask == "choose_txt":
            assert 2 <= len(problem["choices"]) == len(set(problem["choices"])) <= 5, number
            assert problem["choices"][problem["answer"]] == right(scene, problem["question"]), number


def test_the_right_choice_of_scienceqa_is_what_the_image_shows() -> None:
    (data,) = official(scienceqa.members, "scienceqa").values()
    problems = json.loads(data)
    for pid, problem in problems.items():
        if problem["image"]:
            chosen = problem["choices"][problem["answer"]]
            assert chosen == right(scienceqa._scene(WORLD, int(pid)), problem["question"]), pid


@pytest.mark.parametrize(
    "is_there",
    [
        lambda problem, pictures: problem["image"] is None,
        lambda problem, pictures: problem["image"] is None and any("choice_" in name for name in pictures),
        lambda problem, pictures: problem["image"] and problem["hint"] == "",
        lambda problem, pictures: problem["hint"].startswith("The 's "),
        lambda problem, pictures: "\n" in problem["question"] and "\n" in problem["hint"],
    ],
    ids=["no image", "choices that are pictures", "no hint", "a hole", "several lines"],
)
def test_the_odd_cases_of_scienceqa_are_in_the_miniature(is_there) -> None:
    (data,) = official(scienceqa.members, "scienceqa").values()
    pictures = [name for pictures in scienceqa.MEDIA.values() for name, _ in pictures(WORLD)]
    of_pid = {pid: [n for n in pictures if f"/{pid}/" in n] for pid in json.loads(data)}
    assert any(is_there(problem, of_pid[pid]) for pid, problem in json.loads(data).items())


def test_every_problem_of_scienceqa_is_in_one_split() -> None:
    (problems,) = official(scienceqa.members, "scienceqa").values()
    (lists,) = official(scienceqa.members, "scienceqa", 1).values()
    splits = json.loads(lists)
    listed = [*splits["train"], *splits["val"], *splits["test"]]
    assert sorted(listed) == sorted(json.loads(problems))
    assert sorted(splits["trainval"]) == sorted([*splits["train"], *splits["val"]])


def test_one_archive_holds_problems_and_images_of_iconqa(tmp_path) -> None:
    from ib_data.builders.miniature import write_mirror

    write_mirror(tmp_path / "mirror", num_images=4)
    path = tmp_path / "mirror" / load_card("iconqa").files[0].place
    names = zipfile.ZipFile(path).namelist()
    assert "iconqa_data/pid_splits.json" in names
    assert {name.rpartition("/")[2] for name in names} >= {"data.json", "image.png", "choice_1.png"}
