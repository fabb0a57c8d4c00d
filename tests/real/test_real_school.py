"""IconQA, ScienceQA, Flickr30k and nocaps: official files that nobody here wrote, with the counts of their README.

IconQA is class A, 50 problems of each subtask from the authors' website, in folders without a split. ScienceQA is class
B: 1,752 problems, untouched, with the lists of splits cut to them, and images of 60. Of Flickr30k one documented record
is there (class D), of nocaps only machine captions in results format: the human captions are tested on made-up rows.
"""

import json
import shutil

import pytest

pytestmark = pytest.mark.real


def iconqa_problems(real, subtask: str) -> dict[str, dict]:
    return {
        path.parent.name: json.loads(path.read_text()) for path in real.glob(f"iconqa/iconqa/{subtask}/*/data.json")
    }


def test_iconqa_takes_the_50_of_choosing_among_texts(real, build, rows, drops, media) -> None:
    """They count as test: the folders name no split."""
    result = build("iconqa", "iconqa")
    assert "annotations (0.8 %) on 50 images; 100 dropped: not multi-text-choice" in result.out
    official = iconqa_problems(real, "choose_txt")
    found = rows("iconqa", "test")
    assert found.keys() == official.keys()
    for pid, problem in official.items():
        assert (found[pid]["question"], found[pid]["options"]) == (problem["question"], problem["choices"])
        assert found[pid]["answer_index"] == problem["answer"]
        assert json.loads(found[pid]["extra"]) == {"grade": problem["grade"], "label": problem["label"]}
        picture = real / "iconqa" / "iconqa" / "choose_txt" / pid / "image.png"
        assert media("iconqa", "test", found[pid]) == picture.read_bytes()
    others = {*iconqa_problems(real, "choose_img"), *iconqa_problems(real, "fill_in_blank")}
    assert {pid for pid, _ in drops("iconqa", "test")} == others
    assert {reason for _, reason in drops("iconqa", "test")} == {"not multi-text-choice"}


def test_iconqa_choices_that_are_file_names_and_answers_in_words_are_never_taken(real, build, rows) -> None:
    by_picture, blanks = iconqa_problems(real, "choose_img"), iconqa_problems(real, "fill_in_blank")
    assert all(choice.endswith(".png") for problem in by_picture.values() for choice in problem["choices"])
    assert all(isinstance(problem["answer"], str) and "choices" not in problem for problem in blanks.values())
    build("iconqa", "iconqa", more=("--no-media",))
    options = [option for row in rows("iconqa", "test").values() for option in row["options"]]
    assert not any(option.endswith(".png") for option in options)


def test_scienceqa_problems_with_an_image(real, build, rows, drops) -> None:
    problems = json.loads((real / "scienceqa" / "problems.json").read_text())
    splits = json.loads((real / "scienceqa" / "pid_splits.json").read_text())
    assert len(problems) == 1752
    for split, theirs, num_with_image in (("train", "train", 509), ("validation", "val", 186), ("test", "test", 163)):
        build("scienceqa", "scienceqa", more=("--no-media", "--split", split))
        found = rows("scienceqa", split)
        assert len(found) == num_with_image
        assert found.keys() == {pid for pid in splits[theirs] if problems[pid]["image"]}
        assert {reason for _, reason in drops("scienceqa", split)} == {"no image"}
        assert len(found) + len(drops("scienceqa", split)) == len(splits[theirs])
        for pid, row in found.items():
            problem = problems[pid]
            assert (row["question"], row["options"]) == (problem["question"], problem["choices"])
            assert (row["answer_index"], row["context"]) == (problem["answer"], problem["hint"] or None)
            kept = ("task", "grade", "subject", "topic", "category", "skill", "lecture", "solution")
            assert json.loads(row["extra"]) == {key: problem[key] for key in kept if problem[key]}


def test_scienceqa_texts_of_several_lines_and_a_hole_stay(real, build, rows, drops) -> None:
    """4, 6 and 8 run over several lines and have no image; 7 has a hole in its hint, and line breaks."""
    for split in ("validation", "test"):
        build("scienceqa", "scienceqa", more=("--no-media", "--split", split))
    hole = rows("scienceqa", "validation")["7"]["context"]
    assert "\nThe 's mouth is located" in hole
    assert hole.endswith(".\nFigure: sturgeon.")
    assert {"6", "8"} <= {pid for pid, _ in drops("scienceqa", "validation")}
    assert "4" in {pid for pid, _ in drops("scienceqa", "test")}


@pytest.mark.parametrize("pid", ["133", "149", "269", "363", "878"])
def test_scienceqa_problems_whose_choices_are_pictures_are_drops(real, build, rows, drops, pid) -> None:
    assert json.loads((real / "scienceqa" / "problems.json").read_text())[pid]["image"] is None
    splits = json.loads((real / "scienceqa" / "pid_splits.json").read_text())
    theirs = next(name for name in ("train", "val", "test") if pid in splits[name])
    split = "validation" if theirs == "val" else theirs
    build("scienceqa", "scienceqa", more=("--no-media", "--split", split))
    assert (pid, "no image") in drops("scienceqa", split)
    assert pid not in rows("scienceqa", split)


def test_scienceqa_with_the_images_that_are_there(cli, home, real, build, rows, drops, media) -> None:
    """Of 60 folders 56 hold the problem's image, 4 only pictures of choices (RGBA, never read)."""
    refused = cli("build", "scienceqa", "--source", real / "scienceqa", "--home", home.root)
    assert refused.code == 1
    assert "107 of 163 images are missing" in refused.err
    build("scienceqa", "scienceqa", more=("--allow-missing",))
    found = rows("scienceqa", "test")
    folders = {path.name for path in (real / "scienceqa" / "images" / "test").iterdir()}
    with_image = {path.parent.name for path in (real / "scienceqa" / "images" / "test").glob("*/image.png")}
    assert (len(folders), len(with_image)) == (60, 56)
    assert found.keys() == with_image
    reasons = [reason for _, reason in drops("scienceqa", "test")]
    assert (reasons.count("no image"), reasons.count("media missing")) == (194, 107)
    picture = real / "scienceqa" / "images" / "test" / "541" / "image.png"
    assert media("scienceqa", "test", found["541"]) == picture.read_bytes()


def test_one_folder_of_everything_gives_each_dataset_its_own(build, rows) -> None:
    """IconQA and ScienceQA share file names (image.png, pid_splits.json) and some problem ids."""
    build("iconqa", ".")
    build("scienceqa", ".", more=("--allow-missing",))
    assert len(rows("iconqa", "test")) == 50
    assert len(rows("scienceqa", "test")) == 56


def test_flickr30k_documented_record(real, build, rows) -> None:
    build("flickr30k", "flickr30k", more=("--no-media", "--split", "train"))
    (image,) = json.loads((real / "flickr30k" / "dataset_flickr30k.json").read_text())["images"]
    found = rows("flickr30k", "train")
    assert [row["caption"] for row in found.values()] == [sentence["raw"] for sentence in image["sentences"]]
    assert {row["key"] for row in found.values()} == {"flickr30k-train-1000092795"}


def test_flickr30k_photos_are_found_under_their_names(real, tmp_path, home, cli, rows, media) -> None:
    """The eight photos are real; no record of them is there, so their captions here are made up."""
    photos = sorted((real / "media" / "flickr30k").rglob("*.jpg"))
    assert len(photos) == 8
    images = [
        {"filename": path.name, "split": "test", "sentences": [{"raw": f"Photo {i}.", "sentid": i}]}
        for i, path in enumerate(photos)
    ]
    file = tmp_path / "dataset_flickr30k.json"
    file.write_text(json.dumps({"images": images, "dataset": "flickr30k"}))
    result = cli("build", "flickr30k", "--source", file, "--source", real / "media" / "flickr30k", "--home", home.root)
    assert result.code == 0, result.err
    found = rows("flickr30k", "test")
    for i, path in enumerate(photos):
        assert media("flickr30k", "test", found[str(i)]) == path.read_bytes()


def test_nocaps_machine_captions_are_not_taken_for_the_human_ones(real, tmp_path, home, cli) -> None:
    results = real / "nocaps" / "captions_nocaps_val_alg_results.json"
    assert len(json.loads(results.read_text())) == 4500
    shutil.copy(results, tmp_path / "nocaps-val.json")
    result = cli("build", "nocaps", "--source", tmp_path, "--no-media", "--home", home.root)
    assert result.code == 1
    assert "nocaps-val.json: expected an object with 'images', found a list" in result.err
