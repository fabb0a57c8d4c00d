"""Every fault of a results file is one clear line: the file, the row, what was expected and found, what to do."""

import gzip
import json

import pytest
from result_cases import OFFICIAL, case

from ib_data.cards import find_card
from ib_data.errors import DataError
from ib_data.evaluation.results.reading import Allowed, read_results

CASES = {name: cases for name, (cases, _, _) in OFFICIAL.items()}
VQA = {"question_id": 262148000, "answer": "yes"}
WHOLE = [VQA, {"question_id": 262148001, "answer": "no"}]


@pytest.fixture
def fault(tmp_path):
    """The line that a file gives, which names the file."""

    def line(name, content, allowed=None, file="p.json"):
        path = tmp_path / file
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(DataError) as error:
            read_results(path, find_card(name), CASES[name], allowed)
        found = str(error.value)
        assert found.startswith(f"{name}: {path}: ")
        assert "\n" not in found
        return found.removeprefix(f"{name}: {path}: ")

    return line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "expected predictions, found an empty file"),
        (" \n ", "expected predictions, found an empty file"),
        ("[]", "expected predictions, found none"),
        ("{}", "expected predictions, found none"),
        ('[{"question_id": 1, "answer"', "not JSON"),
        ('[{"question_id": 262148000, "answer": "a"}] x', "not JSON"),
        (b'[{"question_id": 262148000, "answer": "\xff"}]', "expected UTF-8 text, found byte 0xff at 39"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"262148000": "a", "262148000": "b"}', "key '262148000' occurs twice; keep one"),
        (gzip.compress(b"[]", mtime=0)[:-6], "the gzip data is damaged"),
        ("yes\nno\n", "expected a JSON list of objects with question_id and answer, found 'yes'"),
        ('[{"question_id": ' + "9" * 5000 + "}]", "not JSON"),
    ],
)
def test_a_file_that_cannot_be_read(fault, content, expected):
    assert expected in fault("vqav2", content)


def test_a_broken_line_is_named(fault):
    assert fault("vqav2", '{"id": 1, "answer": "a"}\n\n{"id": ', file="p.jsonl").startswith("line 3: not JSON")


def test_a_missing_file_or_a_folder(tmp_path):
    for path, expected in ((tmp_path / "none.json", "no such file"), (tmp_path, "found a folder")):
        with pytest.raises(DataError, match=expected):
            read_results(path, find_card("vqav2"), CASES["vqav2"])


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"question_id": 262148000, "answer": 3}, "found 3"),
        ({"question_id": 262148000, "answer": None}, "found None"),
        ({"question_id": 262148000, "answer": ["a"]}, "found ['a']"),
        ({"question_id": 262148000, "answer": float("nan")}, "found nan"),
        ({"question_id": 262148000, "answer": True}, "found True"),
    ],
)
def test_an_answer_that_is_no_text(fault, row, found):
    line = fault("vqav2", [WHOLE[1], row])
    assert line.startswith("row 1: ") or "row 1" in line
    assert f"expected a text, {found}" in line


@pytest.mark.parametrize("given", [None, 1.5, True, "", ["a"]])
def test_an_id_that_is_no_id(fault, given):
    line = fault("vqav2", [{"question_id": given, "answer": "a"}])
    assert line.startswith("row 0: 'question_id': expected a number or a text, found ")


def test_missing_ids_are_counted_named_and_may_count_as_wrong(fault, tmp_path):
    line = fault("vqav2", WHOLE[:1])
    assert line.startswith("1 of 2 questions have no prediction: '262148001'; ")
    assert "--allow-missing" in line
    found = read_results(tmp_path / "p.json", find_card("vqav2"), CASES["vqav2"], Allowed(missing=True))
    assert [one.answer for one in found.predictions] == ["yes", ""]
    assert found.predictions[1].error == "not in the results file"
    assert found.notes == ["1 of 2 questions have no prediction in p.json and count as wrong"]


def test_extra_ids_are_counted_named_and_may_be_ignored(fault, tmp_path):
    extra = [{"question_id": number, "answer": "a"} for number in range(7)]
    line = fault("vqav2", [*WHOLE, *extra])
    assert line.startswith("row 2: 7 ids are not in this split: '0', '1', '2', '3', '4', ...; ")
    assert "--allow-extra" in line
    found = read_results(tmp_path / "p.json", find_card("vqav2"), CASES["vqav2"], Allowed(extra=True))
    assert [one.answer for one in found.predictions] == ["yes", "no"]
    assert found.notes == ["7 predictions are for ids that are not in this split"]


def test_doubled_ids_name_both_rows(fault):
    line = fault("vqav2", [*WHOLE, VQA])
    assert line == "row 2: id '262148000' was already answered at row 0; keep one answer for each id"


def test_two_names_of_one_image_are_doubled(fault):
    rows = [{"image_id": "391895", "caption": "a"}, {"image_id": 391895, "caption": "b"}]
    assert "was already answered at row 0" in fault("coco_caption", rows)


def test_the_file_of_another_dataset_says_which(fault):
    line = fault("vqav2", [{"questionId": "1", "prediction": "a"}])
    assert line.startswith("row 0: expected a JSON list of objects with question_id and answer, ")
    assert "found the keys questionId, prediction" in line
    assert "looks like results of gqa" in line
    assert "looks like results of visdial" in fault("gqa", json.loads(OFFICIAL["visdial"][1]))
    assert "looks like results of coco_caption or nocaps or textcaps" in fault(
        "okvqa", json.loads(OFFICIAL["coco_caption"][1])
    )


def test_ids_of_another_split_or_dataset_say_where_they_are(fault):
    rows = [{"question_id": 5, "answer": "a"}]
    line = fault("vqav2", rows, Allowed(elsewhere=lambda ids: f"okvqa/train ({ids[0]})"))
    assert line.startswith("row 0: no id is in this split, for example '5'; they are ids of okvqa/train (5)")
    assert fault("vqav2", rows).endswith("is it the file of another dataset or split?")
    assert "the form is that of okvqa or textvqa or vqav2" in fault("gqa", rows)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("hateful_memes", "id,proba,label\n01268,nan,0\n08291,0.5,1\n", "line 2: id '01268': expected a probability"),
        (
            "hateful_memes",
            "id,proba,label\n01268,7.5,0\n08291,0.5,1\n",
            "expected a probability from 0 to 1, found '7.5'",
        ),
        ("hateful_memes", "id,proba,label\n01268,0.1\n", "line 2: expected 3 cells, found 2"),
        ("hateful_memes", 'id,proba,label\n"01268,0.1,0\n', "not CSV"),
        ("hateful_memes", '[{"id": "01268", "proba": NaN}, {"id": "08291", "proba": 1}]', "row 0: id '01268'"),
        ("iconqa", {"results": {"57242": 3, "47891": 0}}, "expected an index from 0 to 2, found 3"),
        ("iconqa", {"results": {"57242": -2, "47891": 0}}, "expected an index from 0 to 2, found -2"),
        ("iconqa", {"results": {"57242": True, "47891": 0}}, "found True"),
        ("iconqa", {"results": {"57242": 0.5, "47891": 0}}, "expected the index of an option, or its text, found 0.5"),
        ("visdial", [{"image_id": 185565, "round_id": 1, "ranks": [1, 1, 2]}] * 1, "1 of 2 questions"),
        ("vsr", "1\n", "expected 2 lines, one for each annotation, found 1"),
        ("vsr", "1\n2\n", "line 2: id 'test-00001': expected an index from 0 to 1, found '2'"),
        ("aokvqa", {i.id: {"answer": "a"} for i in CASES["aokvqa"]}, "direct_answer and multiple_choice"),
        ("scienceqa", {"results": {"4": 1, "11": [1]}}, "key '11': id '11': expected the index"),
    ],
)
def test_values_of_another_kind_or_range(fault, name, content, expected):
    assert expected in fault(name, content)


@pytest.mark.parametrize("ranks", [[1, 1, 2], [0, 1, 2], [1, 2], [1, 2, 3, 4], [1.0, 2.0, 3.0], "a dog", [3, 2, None]])
def test_ranks_that_are_none(fault, ranks):
    rows = [{"image_id": 185565, "round_id": i, "ranks": ranks} for i in (1, 2)]
    expected = "expected a list of ranks" if isinstance(ranks, str) else "expected the ranks 1 to 3, each once"
    assert expected in fault("visdial", rows)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scores": {"0": float("nan")}}, "expected finite scores by index"),
        ({"scores": [1, 2]}, "expected finite scores by index"),
        ({"scores": {"x": 1.0}}, "expected finite scores by index"),
        ({"choice": "b"}, "expected the index of an option"),
        ({"choice": 9}, "expected the index of an option"),
        ({"choice": 1, "answer": 5}, "expected a text, found 5"),
        ({"scores": {"3": 1.0}}, "expected scores by an index from 0 to 2"),
        ({"scores": {"0": float("inf")}}, "expected finite scores by index"),
        ({"num_tokens": "5"}, "expected a number of tokens, found '5'"),
        ({"num_tokens": -1}, "expected a number of tokens, found -1"),
        ({"is_truncated": "no"}, "expected true or false, found 'no'"),
        ({"error": 5}, "expected a text, found 5"),
    ],
)
def test_damaged_predictions_of_our_own(fault, changes, expected):
    rows = [{"id": one.id, "answer": "a", "choice": 0, **changes} for one in CASES["iconqa"]]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    assert expected in fault("iconqa", text, file="predictions.jsonl")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"choice": 7}, "expected the index of an option, found 7"),
        ({"choice": 0, "scores": {"2": -1.0}}, "expected scores by an index from 0 to 1"),
    ],
)
def test_indices_of_labels_are_bounded(tmp_path, changes, expected):
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(f"{json.dumps({'id': one.id, **changes})}\n" for one in CASES["hateful_memes"]))
    with pytest.raises(DataError, match="line 1: id '01268'") as caught:
        read_results(path, find_card("hateful_memes"), CASES["hateful_memes"], labels=("hateful", "not hateful"))
    assert expected in str(caught.value)


def test_a_score_of_minus_infinity_is_as_if_absent(tmp_path):
    path = tmp_path / "predictions.jsonl"
    rows = [{"id": one.id, "choice": 1, "scores": {"0": -float("inf"), "1": -2.0}} for one in CASES["iconqa"]]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = read_results(path, find_card("iconqa"), CASES["iconqa"]).predictions
    assert [one.scores for one in found] == [{1: -2.0}] * 2


def test_of_equal_options_the_right_one_is_meant(tmp_path):
    one = case("aokvqa", "validation", "0", "q", options=("bus", "car", "bus"), answer_index=2)
    path = tmp_path / "p.json"
    path.write_text('{"q": "bus"}')
    assert read_results(path, find_card("aokvqa"), [one]).predictions[0].choice == 2
