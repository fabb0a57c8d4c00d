"""Visual Dialog: rounds with caption, history and 100 candidates. Rows follow the documented format."""

import json

import pytest
from official import build, drops, lay, photo, samples

from ib_data.builders.miniature.server import miniature_fetcher
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.write.build import build_split
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import load_card
from ib_data.errors import DataError

ANSWERS = ["yes", "no", *(f"answer {i}" for i in range(2, 120))]
QUESTIONS = ["is it red", "how many are there", "is it red now"]
DENSE = "visdial_1.0_val_dense_annotations.json"


def turn(question: int, answer: int, right: int = 3, **change: object) -> dict:
    options = list(range(10, 110))
    options[right] = answer
    return {"question": question, "answer": answer, "answer_options": options, "gt_index": right, **change}


def ten() -> list[dict]:
    return [turn(i % 2, i) for i in range(10)]


def dialogs(
    *given: dict, split: str = "val2018", answers: list[str] = ANSWERS, questions: list[str] = QUESTIONS
) -> dict:
    return {"version": "1.0", "split": split, "data": {"questions": questions, "answers": answers, "dialogs": [*given]}}


def dialog(*turns: dict, image_id: int = 9, caption: str = " a  cat ") -> dict:
    return {"image_id": image_id, "caption": caption, "dialog": [*turns]}


def annotations(home, tmp_path, value: object, split: str = "validation") -> list:
    name = {"validation": "val", "test": "test", "train": "train"}[split]
    lay(tmp_path / "s", f"visdial_1.0_{name}.json", value)
    build(home, tmp_path / "s", name="visdial", split=split, media=False)
    return [a for sample, _ in samples(home, "visdial", split) for a in sample.annotations]


def test_a_dialogue_is_ten_annotations_with_the_true_history(home, tmp_path) -> None:
    found = annotations(home, tmp_path, dialogs(dialog(*ten())))
    assert [a.id for a in found] == [f"9-{i}" for i in range(1, 11)]
    assert {a.caption for a in found} == {"a cat"}
    for number, a in enumerate(found):
        assert [(t.question, t.answer) for t in a.history] == [(QUESTIONS[i % 2], ANSWERS[i]) for i in range(number)]
        assert a.question == QUESTIONS[number % 2]
        assert [(x.text, x.count) for x in a.answers] == [(ANSWERS[number], 1)]
        assert len(a.options) == 100
        assert (a.answer_index, a.options[3]) == (3, ANSWERS[number])
        assert a.extra == {"round": number + 1}


def test_questions_and_candidates_may_repeat(home, tmp_path) -> None:
    options = [7] * 50 + [0] + [7] * 49
    found = annotations(home, tmp_path, dialogs(dialog(turn(0, 0), turn(0, 0, answer_options=options, gt_index=50))))
    assert [a.question for a in found] == ["is it red", "is it red"]
    assert (found[1].answer_index, found[1].options.count("answer 7")) == (50, 99)


def test_dense_relevance_is_kept_if_given(home, tmp_path) -> None:
    values = [0.0] * 99 + [1]
    lay(tmp_path / "s", DENSE, [{"image_id": 9, "round_id": 2, "gt_relevance": values}])
    found = annotations(home, tmp_path, dialogs(dialog(*ten())))
    assert [a.extra.get("relevance") for a in found] == [None, values, *[None] * 8]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"gt_relevance": [0.0] * 99}, "'gt_relevance': expected 100 numbers from 0 to 1"),
        ({"gt_relevance": [2.0] * 100}, "'gt_relevance': expected 100 numbers from 0 to 1"),
        ({"gt_relevance": [float("nan")] * 100}, "'gt_relevance': expected 100 numbers from 0 to 1"),
        ({"round_id": "2"}, "'round_id': expected an integer"),
        ({"round_id": 0}, r"image 9 has no round 0 in visdial_1\.0_val\.json"),
        ({"round_id": 11}, r"image 9 has no round 11 in visdial_1\.0_val\.json"),
    ],
)
def test_faulty_relevance_is_named(home, tmp_path, row: dict, what: str) -> None:
    lay(tmp_path / "s", DENSE, [{"image_id": 9, "round_id": 2, "gt_relevance": [0.0] * 100, **row}])
    with pytest.raises(DataError, match=rf"{DENSE}: row\[0\]: {what}"):
        annotations(home, tmp_path, dialogs(dialog(*ten())))


def test_relevance_of_other_images_is_an_error(home, tmp_path) -> None:
    known, other = ({"image_id": image, "round_id": 2, "gt_relevance": [0.0] * 100} for image in (9, 10))
    lay(tmp_path / "s", DENSE, [known, other])
    with pytest.raises(DataError, match=rf"{DENSE}: row\[1\]: image 10 has no round 2"):
        annotations(home, tmp_path, dialogs(dialog(*ten())))
    lay(tmp_path / "s", DENSE, [other])
    with pytest.raises(DataError, match=rf"{DENSE}: no image of visdial_1\.0_val\.json is here; is this a file"):
        annotations(home, tmp_path, dialogs(dialog(*ten())))


def test_a_dialogue_of_the_test_split_ends_in_a_question_without_an_answer(home, tmp_path) -> None:
    last = turn(1, 5)
    del last["answer"], last["gt_index"]
    value = dialogs(dialog({"question": 0, "answer": 1}, last), dialog(last, image_id=10), split="test2018")
    first, second = annotations(home, tmp_path, value, split="test")
    assert (first.id, first.question, first.answers, first.answer_index) == ("9-2", "how many are there", (), None)
    assert [(t.question, t.answer) for t in first.history] == [("is it red", "no")]
    assert len(first.options) == 100
    assert (second.id, second.history) == ("10-1", ())


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (turn(3, 0), "'question': 3 is not one of the 3 texts"),
        (turn(-1, 0), "'question': -1 is not one of the 3 texts"),
        (turn(0, 120), "'answer': 120 is not one of the 120 texts"),
        (turn(0, 0, answer_options=[120] * 100), "'answer_options': 120 is not one of the 120 texts"),
        (turn(0, 0, answer_options=["yes"] * 100), "'answer_options': 'yes' is not one of the 120 texts"),
        (turn(0, 0, answer_options=[0] * 99), "expected 100 answer_options, found 99"),
        (turn(0, 0, gt_index=100), "gt_index 100 is not one of the 100 candidates"),
        (turn(0, 0, gt_index="3"), "'gt_index': expected an integer"),
        ({"question": 0, "answer": 0, "gt_index": 0}, "key 'answer_options' is missing"),
        ({"question": 0, "answer_options": [0] * 100, "gt_index": 0}, "key 'answer' is missing"),
    ],
)
def test_an_invalid_index_is_an_error(home, tmp_path, broken: dict, what: str) -> None:
    with pytest.raises(DataError, match=rf"visdial_1\.0_val\.json: data\.dialogs\[0\]\.dialog\[1\]: {what}"):
        annotations(home, tmp_path, dialogs(dialog(turn(0, 0), broken)))


def test_an_inconsistent_dialogue_is_a_drop(home, tmp_path) -> None:
    answers = [*ANSWERS[:-1], " "]
    empty_candidate = turn(0, 0)
    empty_candidate["answer_options"][5] = 119
    value = dialogs(
        dialog(turn(0, 0), turn(0, 0, answer_options=[*range(10, 110)]), empty_candidate),
        dialog(turn(0, 119, answer_options=[119] * 100), turn(0, 0), image_id=10),
        dialog(image_id=11),
        answers=answers,
    )
    assert [a.id for a in annotations(home, tmp_path, value)] == ["9-1"]
    assert drops(home, "visdial", "validation") == [
        ("9-2", "gt_index does not point at the answer"),
        ("9-3", "empty candidate"),
        ("10-1", "empty candidate"),
        ("10-2", "empty turn in the history"),
        ("11", "no round"),
    ]


def test_the_file_of_another_split_is_recognised(home, tmp_path) -> None:
    with pytest.raises(DataError, match="'split': expected 'val2018', found 'test2018'"):
        annotations(home, tmp_path, dialogs(dialog(*ten()), split="test2018"))


def test_train_images_come_from_both_coco_2014_archives(home, tmp_path) -> None:
    """Rows name a photo by its number alone, so both archives are fetched where photos are in both."""
    with miniature_fetcher(home) as fetcher:
        job = Build(home=home, fetcher=fetcher, folders=SourceFolders(), options=Options(miniature=True))
        manifest = build_split(load_card("visdial"), "train", None, job)
        at_hand = {path.name for path in fetcher.downloads.rglob("*.zip")}
    assert manifest.num_drops == 0
    assert {"train2014.zip", "val2014.zip"} <= at_hand


def test_train_images_may_have_either_name(home, tmp_path) -> None:
    lay(tmp_path / "s", "visdial_1.0_train.json", dialogs(dialog(*ten()), dialog(*ten(), image_id=10), split="train"))
    (tmp_path / "s" / "COCO_val2014_000000000009.jpg").write_bytes(photo())
    (tmp_path / "s" / "000000000010.jpg").write_bytes(photo(7))
    (manifest,) = build(home, tmp_path / "s", name="visdial", split="train")
    assert (manifest.num_samples, manifest.num_annotations) == (2, 20)
    assert "null" not in json.dumps([json.loads(sample.to_json()) for sample, _ in samples(home, "visdial", "train")])
