"""IconQA and ScienceQA on rows written after their documented formats; the real files are in `tests/real`."""

import json
import zipfile

import pytest
from official import build, drops, lay, photo, samples

from ib_data.errors import DataError
from ib_data.stored.manifest import read_manifest

ICON = {"question": "Which is  odd?", "choices": ["one", "two ", "one"], "answer": 2, "ques_type": "choose_txt"}
BY_PICTURE = {"question": "Which?", "choices": ["choice_0.png", "choice_1.png"], "answer": 1, "ques_type": "choose_img"}
BLANK = {"question": "There are (_).", "answer": "3", "ques_type": "fill_in_blank"}
KEPT = {"grade": "grade1", "label": "A25"}


def icon_files(**problems: object) -> dict[str, bytes]:
    """{path below `iconqa`: bytes} of problems in the layout of the archive, each with its diagram."""
    files = {}
    for place, problem in problems.items():
        folder = place.replace("__", "/")
        files[f"{folder}/data.json"] = json.dumps(problem, indent=2).encode()
        files[f"{folder}/image.png"] = photo()
    return files


WHOLE = icon_files(
    test__choose_txt__7={**ICON, **KEPT},
    test__choose_txt__12={**ICON, "answer": 0},
    test__choose_img__8=BY_PICTURE,
    test__fill_in_blank__9=BLANK,
    train__choose_txt__10=ICON,
    val__choose_txt__11=ICON,
)


def lay_archive(folder, files):
    with zipfile.ZipFile(folder / "iconqa_data.zip", "w") as out:
        for name, data in files.items():
            out.writestr(f"iconqa_data/iconqa/{name}", data)
        out.writestr("iconqa_data/metadata.json", b"{}")


def lay_unpacked(folder, files):
    for name, data in files.items():
        path = folder / "iconqa" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize("place", [lay_archive, lay_unpacked])
def test_iconqa_reads_only_multi_text_choice_from_archive_and_folders(home, tmp_path, place) -> None:
    place(tmp_path, WHOLE)
    (manifest,) = build(home, tmp_path, name="iconqa")
    assert (manifest.split, manifest.num_samples, manifest.num_annotations) == ("test", 2, 2)
    found = {sample.annotations[0].id: sample for sample, _ in samples(home, "iconqa", "test")}
    one = found["7"].annotations[0]
    assert found["7"].key == "iconqa-test-choose_txt_7"
    assert found["7"].media.source_name == "iconqa_data/iconqa/test/choose_txt/7/image.png"
    assert (one.question, one.options, one.answer_index) == ("Which is odd?", ("one", "two", "one"), 2)
    assert one.extra == KEPT
    assert (found["12"].annotations[0].answer_index, found["12"].annotations[0].extra) == (0, {})
    reason = "not multi-text-choice"
    assert sorted(drops(home, "iconqa", "test")) == [("8", reason), ("9", reason)]


def test_the_iconqa_subtask_comes_from_the_problem_not_the_folder(home, tmp_path) -> None:
    lay_unpacked(tmp_path, icon_files(test__choose_txt__7=ICON, test__choose_txt__8=BY_PICTURE))
    build(home, tmp_path, name="iconqa", media=False)
    assert drops(home, "iconqa", "test") == [("8", "not multi-text-choice")]


@pytest.mark.parametrize(("split", "row_id"), [("train", "10"), ("validation", "11")])
def test_the_folder_decides_the_split_of_iconqa(home, tmp_path, split, row_id) -> None:
    lay_unpacked(tmp_path, WHOLE)
    build(home, tmp_path, name="iconqa", split=split)
    ((sample, _),) = samples(home, "iconqa", split)
    assert sample.annotations[0].id == row_id


def test_iconqa_folders_without_a_split_count_as_test(home, tmp_path) -> None:
    lay_unpacked(tmp_path, icon_files(choose_txt__7=ICON, fill_in_blank__9=BLANK))
    (manifest,) = build(home, tmp_path, name="iconqa")
    assert (manifest.split, manifest.num_annotations, manifest.num_drops) == ("test", 1, 1)
    with pytest.raises(DataError, match="no row of split train"):
        build(home, tmp_path, name="iconqa", split="train")


def test_an_unpacked_iconqa_has_a_checksum_and_no_path_of_this_machine(home, tmp_path) -> None:
    lay_unpacked(tmp_path, WHOLE)
    (first,) = build(home, tmp_path, name="iconqa")
    (source,) = first.recipe["sources"]
    num_bytes = sum(len(data) for name, data in WHOLE.items() if name.endswith("data.json"))
    assert (source["name"], source["num_bytes"]) == ("iconqa", num_bytes)
    lay_unpacked(tmp_path, icon_files(test__choose_txt__7=ICON))
    (second,) = build(home, tmp_path, name="iconqa")
    assert second.recipe["sources"][0]["sha256"] != source["sha256"]
    assert str(tmp_path) not in json.dumps(read_manifest(home.split("iconqa", "test"), "iconqa").recipe)


@pytest.mark.parametrize("place", [lay_archive, lay_unpacked])
@pytest.mark.parametrize(
    ("problem", "what"),
    [
        ({k: v for k, v in ICON.items() if k != "question"}, "key 'question' is missing"),
        ({k: v for k, v in ICON.items() if k != "answer"}, "key 'answer' is missing"),
        ({k: v for k, v in ICON.items() if k != "ques_type"}, "key 'ques_type' is missing"),
        ({**ICON, "answer": "2"}, "'answer': expected an integer, found '2'"),
        ({**ICON, "answer": True}, "'answer': expected an integer, found True"),
        ({**ICON, "choices": [1, 2]}, "'choices': expected a list of texts"),
        ({**ICON, "question": None}, "'question': expected a text, found None"),
        ([1], "expected a table"),
    ],
)
def test_a_faulty_problem_of_iconqa_is_named_by_its_folder(home, tmp_path, place, problem, what) -> None:
    place(tmp_path, icon_files(test__choose_txt__7=problem))
    with pytest.raises(DataError) as caught:
        build(home, tmp_path, name="iconqa", media=False)
    assert "test/choose_txt/7/data.json" in str(caught.value)
    assert what in str(caught.value)


def test_a_problem_of_iconqa_cut_at_any_byte_is_named(home, tmp_path) -> None:
    whole = json.dumps(ICON).encode()
    for end in range(0, len(whole), 7):
        lay_unpacked(tmp_path, {"test/choose_txt/7/data.json": whole[:end]})
        with pytest.raises(DataError, match=r"test/choose_txt/7/data\.json: cannot be read as JSON"):
            build(home, tmp_path, name="iconqa", media=False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answer": 3}, "answer index out of range"),
        ({"question": "\n"}, "no question"),
        ({"choices": []}, "no options"),
    ],
)
def test_an_unusable_iconqa_problem_is_a_drop(home, tmp_path, change, reason) -> None:
    lay_unpacked(tmp_path, icon_files(test__choose_txt__7={**ICON, **change}, test__choose_txt__12=ICON))
    build(home, tmp_path, name="iconqa", media=False)
    assert drops(home, "iconqa", "test") == [("7", reason)]


SCIENCE = {
    "question": "Which figure is it?\nLook at the .",
    "choices": ["a\nline ", "a dot"],
    "answer": 0,
    "hint": "The 's mouth is round.\n\nFigure: a fish.",
    "image": "image.png",
    "task": "closed choice",
    "grade": "grade3",
    "subject": "natural science",
    "topic": "biology",
    "category": "Adaptations",
    "skill": "Look",
    "lecture": "A line is long.\nA dot is not.",
    "solution": "It is a line.",
    "split": "test",
}


def lay_scienceqa(folder, problems, **splits):
    lay(folder, "problems.json", problems)
    lay(folder, "pid_splits.json", {"train": [], "val": [], "test": list(problems), "trainval": [], **splits})
    return folder


def test_scienceqa_keeps_texts_as_they_are_and_the_lecture_out_of_the_context(home, tmp_path) -> None:
    lay_scienceqa(tmp_path, {"41": SCIENCE, "9": {**SCIENCE, "hint": "", "solution": ""}})
    for pid in ("41", "9"):
        path = tmp_path / "test" / pid / "image.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(photo())
    (manifest,) = build(home, tmp_path, name="scienceqa")
    assert (manifest.split, manifest.num_samples) == ("test", 2)
    found = {sample.annotations[0].id: sample for sample, _ in samples(home, "scienceqa", "test")}
    assert found["41"].media.source_name == "test/41/image.png"
    one = found["41"].annotations[0]
    assert (one.question, one.context) == (SCIENCE["question"], SCIENCE["hint"])
    assert (one.options, one.answer_index) == (("a\nline ", "a dot"), 0)
    assert one.extra["lecture"] == SCIENCE["lecture"]
    assert one.extra["solution"] == "It is a line."
    other = found["9"].annotations[0]
    assert other.context is None
    assert "solution" not in other.extra
    assert "context" not in json.loads(found["9"].to_json())["annotations"][0]


def test_scienceqa_problems_without_an_image_are_drops_even_with_image_choices(home, tmp_path) -> None:
    lay_scienceqa(tmp_path, {"5": SCIENCE, "133": {**SCIENCE, "image": None}})
    for name in ("5/image.png", "133/choice_0.png", "133/choice_1.png"):
        path = tmp_path / "images" / "test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo())
    (manifest,) = build(home, tmp_path, name="scienceqa")
    assert manifest.num_samples == 1
    assert drops(home, "scienceqa", "test") == [("133", "no image")]


def test_the_list_of_splits_decides_the_split_of_scienceqa(home, tmp_path) -> None:
    lists = {"train": ["1"], "val": ["2"], "test": ["3", "404"], "trainval": ["1", "2"], "minitest": ["3"]}
    problems = {pid: {**SCIENCE, "split": split} for pid, split in (("1", "train"), ("2", "val"), ("3", "test"))}
    lay_scienceqa(tmp_path, {**problems, "4": {k: v for k, v in SCIENCE.items() if k != "split"}}, **lists)
    for split, row_id in (("train", "1"), ("validation", "2"), ("test", "3")):
        build(home, tmp_path, name="scienceqa", split=split, media=False)
        ((sample, _),) = samples(home, "scienceqa", split)
        assert sample.annotations[0].id == row_id
    assert drops(home, "scienceqa", "test") == [("404", "listed without a problem")]


@pytest.mark.parametrize(
    ("listed", "what"),
    [
        (["1", "2"], r"2: 'split' is 'val', but pid_splits\.json lists it under 'test'"),
        ([], r"1: 'split' is 'test', but pid_splits\.json does not list it there"),
    ],
)
def test_a_scienceqa_problem_that_contradicts_the_split_list_is_an_error(home, tmp_path, listed, what) -> None:
    lay_scienceqa(tmp_path, {"1": SCIENCE, "2": {**SCIENCE, "split": "val"}}, test=listed)
    with pytest.raises(DataError, match=rf"^scienceqa: problems\.json: {what}"):
        build(home, tmp_path, name="scienceqa", media=False)


def test_a_duplicate_scienceqa_problem_is_an_error(home, tmp_path) -> None:
    lay_scienceqa(tmp_path, {"5": SCIENCE})
    one = json.dumps(SCIENCE)
    (tmp_path / "problems.json").write_text(f'{{"5": {one}, "5": {one}}}')
    with pytest.raises(DataError, match=r"problems\.json: the key '5' occurs twice in one object"):
        build(home, tmp_path, name="scienceqa", media=False)


def test_an_iconqa_image_is_never_used_for_scienceqa(home, tmp_path) -> None:
    """Both call their pictures PID/image.png; the folder before it tells them apart."""
    lay_scienceqa(tmp_path, {"7": SCIENCE})
    lay_unpacked(tmp_path, icon_files(choose_txt__7=ICON))
    with pytest.raises(DataError, match=r"images/test\.zip: the mirror has no such file"):
        build(home, tmp_path, name="scienceqa")
    (manifest,) = build(home, tmp_path, name="iconqa")
    assert manifest.num_annotations == 1


@pytest.mark.parametrize("key", ["question", "answer", "hint", "image"])
def test_a_missing_key_of_scienceqa_is_named_by_its_problem(home, tmp_path, key) -> None:
    lay_scienceqa(tmp_path, {"5": {k: v for k, v in SCIENCE.items() if k != key}})
    with pytest.raises(DataError, match=rf"^scienceqa: problems\.json: 5: key '{key}' is missing"):
        build(home, tmp_path, name="scienceqa", media=False)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"answer": "0"}, "5: 'answer': expected an integer, found '0'"),
        ({"choices": "a"}, "5: 'choices': expected a list, found 'a'"),
        ({"hint": None}, "5: 'hint': expected a text, found None"),
        ({"image": 3}, "5: 'image': expected a text, found 3"),
        ({"lecture": 3}, "5: 'lecture': expected a text, found 3"),
    ],
)
def test_a_value_of_another_type_in_scienceqa_is_named(home, tmp_path, change, what) -> None:
    lay_scienceqa(tmp_path, {"5": {**SCIENCE, **change}})
    with pytest.raises(DataError) as caught:
        build(home, tmp_path, name="scienceqa", media=False)
    assert what in str(caught.value)


def test_lists_of_another_dataset_are_an_error_for_scienceqa(home, tmp_path) -> None:
    lay_scienceqa(tmp_path, {"5": SCIENCE})
    lay(tmp_path, "pid_splits.json", {"choose_txt_test": ["5"]})
    with pytest.raises(DataError, match=r"pid_splits\.json: key 'test' is missing"):
        build(home, tmp_path, name="scienceqa", media=False)


def test_a_source_with_annotations_only_fetches_the_image_archive(home, tmp_path) -> None:
    """An image's id is its whole path, which any file's name would fit: only a picture that is wanted counts."""
    lay_scienceqa(tmp_path, {"5": SCIENCE})
    with pytest.raises(DataError, match=r"scienceqa\.s3\..*/images/test\.zip: the mirror has no such file"):
        build(home, tmp_path, name="scienceqa")
    (tmp_path / "other.png").write_bytes(photo())
    with pytest.raises(DataError, match="the mirror has no such file"):
        build(home, tmp_path, name="scienceqa")
