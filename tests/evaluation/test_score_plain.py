"""`ib-data score --references`: plain files in the usual formats, without a build."""

import json
import subprocess
import sys

import pytest

CAPTIONS = {"9": ["a red bus", "the bus is red"], "25": ["two dogs run"], "30": ["a cat sleeps on a bed"]}
SAID = {"9": "a red bus", "25": "two cats run", "30": "a cat on a bed"}
VQA = {"1": ["yes"] * 8 + ["no"] * 2, "2": ["red"] * 10}


@pytest.fixture
def score(cli, tmp_path):
    """Runs `score` on values that are written as JSON, and returns the result."""

    def run(metric, references, predictions, *more, names=("refs.json", "p.json")):
        for name, value in zip(names, (references, predictions), strict=True):
            text = value if isinstance(value, str) else json.dumps(value)
            (tmp_path / name).write_text(text)
        refs, answers = (tmp_path / name for name in names)
        return cli("score", "--metric", metric, "--references", refs, answers, "--json", *more)

    return run


def value_of(result) -> float:
    assert result.code == 0, result.err
    return json.loads(result.out)["score"]


def test_every_form_of_captions_gives_the_same_score(score):
    rows = [(i, text) for i, texts in CAPTIONS.items() for text in texts]
    coco = {
        "images": [{"id": int(i)} for i in CAPTIONS],
        "annotations": [{"image_id": int(i), "id": n, "caption": text} for n, (i, text) in enumerate(rows)],
    }
    results = [{"image_id": int(i), "caption": text} for i, text in SAID.items()]
    lines = "".join(json.dumps({"id": i, "references": texts}) + "\n" for i, texts in CAPTIONS.items())
    expected = value_of(score("cider", CAPTIONS, SAID))
    assert 0 < expected < 10
    assert value_of(score("cider", coco, results)) == expected
    assert value_of(score("cider", coco, {i: [text] for i, text in SAID.items()})) == expected
    assert value_of(score("cider", lines, results, names=("refs.jsonl", "p.json"))) == expected
    assert value_of(score("cider", {"references": CAPTIONS}, {"hypotheses": SAID})) == expected


def test_the_json_has_the_unrounded_score_and_what_else_the_metric_gives(score):
    result = score("bleu", CAPTIONS, SAID)
    values = json.loads(result.out)
    assert set(values) == {"metric", "profile", "score", "also", "count"}
    assert (values["metric"], values["profile"], values["count"]) == ("bleu", "", 3)
    assert values["also"]["bleu-4"] == values["score"]


def test_the_terminal_has_one_unit(cli, tmp_path):
    (tmp_path / "r.json").write_text('{"1": ["a red bus waits in the street"]}')
    (tmp_path / "p.json").write_text('{"1": "a red bus waits in a street"}')
    lines = cli("score", "--metric", "bleu", "--references", tmp_path / "r.json", tmp_path / "p.json").out.splitlines()
    score = lines[2].split()[1]
    assert float(score) > 10
    assert [line.partition(":")[0].strip() for line in lines[3:]] == [f"bleu-{n}" for n in range(1, 5)]
    assert lines[-1] == f"  bleu-4: {score}"


def test_tokenised_captions_are_compared_as_they_are(score):
    said = {**SAID, "9": "A red bus."}
    assert value_of(score("rouge-l", CAPTIONS, said)) > value_of(score("rouge-l", CAPTIONS, said, "--tokenised"))


def test_vqa_annotations_and_results(score):
    annotations = {
        "annotations": [
            {
                "question_id": int(i),
                "image_id": 5,
                "multiple_choice_answer": answers[0],
                "answers": [{"answer_id": n, "answer": a, "answer_confidence": "yes"} for n, a in enumerate(answers)],
            }
            for i, answers in VQA.items()
        ]
    }
    results = [{"question_id": 1, "answer": "no"}, {"question_id": 2, "answer": "Red."}]
    values = json.loads(score("vqa", annotations, results).out)
    # 8 yes and 2 no: no scores 0.6; ten equal answers are compared as they are.
    assert values["score"] == pytest.approx(0.3)
    assert values["profile"] == "vqa-official-2021"
    assert value_of(score("vqa", VQA, {"1": "no", "2": "Red."})) == pytest.approx(0.3)
    assert value_of(score("vqa-accuracy", VQA, {"1": "no", "2": "Red."}, "--profile", "vqa-lavis")) == pytest.approx(
        0.8
    )


def test_counted_answers_and_rows_of_other_datasets(score):
    counted = [{"id": "1", "answers": [{"text": "yes", "count": 8}, {"text": "no", "count": 2}]}]
    assert value_of(score("vqa", counted, {"1": "no"})) == pytest.approx(0.6)
    textvqa = {"data": [{"question_id": 3, "image_id": "a", "answers": ["nokia"] * 10}]}
    assert value_of(score("vqa", textvqa, [{"question_id": 3, "answer": "nokia"}])) == 1.0
    gqa = {"07": {"question": "?", "answer": "no"}, "08": {"question": "?", "answer": "red"}}
    rows = [{"questionId": "07", "prediction": "no"}, {"questionId": "08", "prediction": "blue"}]
    assert value_of(score("accuracy", gqa, rows)) == 0.5
    aokvqa = [{"question_id": "q", "choices": ["a"], "direct_answers": ["cat", "cat", "dog"]}]
    assert value_of(score("aokvqa", aokvqa, {"q": "cat"})) == pytest.approx(2 / 3)
    assert value_of(score("ivqa", {"v": ["pan", "pan", "pot", "lid", "cup"]}, {"v": "pot"})) == 0.5
    assert value_of(score("exact-match", {"v": ["what is it?"]}, {"v": "What is it"})) == 1.0


def test_official_files_of_aokvqa(score):
    rows = [
        {"question_id": "q", "direct_answers": ["cat"] * 3, "difficult_direct_answer": False},
        {"question_id": "r", "direct_answers": ["red"] * 3, "difficult_direct_answer": True},
    ]
    said = {"q": {"multiple_choice": "a", "direct_answer": "cat"}, "r": {"multiple_choice": "b", "direct_answer": "no"}}
    result = score("aokvqa", rows, said)
    assert value_of(result) == 1.0
    assert json.loads(result.out)["count"] == 1
    assert "1 question left out by difficult_direct_answer" in result.err
    assert value_of(score("aokvqa", rows, {"q": "cat"})) == 1.0
    assert value_of(score("exact-match", rows, {"q": "cat", "r": "blue"})) == 0.5  # another metric leaves nothing out


def test_missing_predictions_are_an_error_wrong_or_not_scored(score):
    some = {"9": "a red bus", "30": "a cat on a bed"}
    result = score("rouge-l", CAPTIONS, some)
    assert result.code == 1
    assert "1 of 3 ids have no prediction: '25'; predict them" in result.err
    wrong = value_of(score("rouge-l", CAPTIONS, some, "--allow-missing"))
    others = score("rouge-l", CAPTIONS, some, "--only-predicted")
    assert value_of(others) == pytest.approx(wrong * 3 / 2)
    assert json.loads(others.out)["count"] == 2
    assert "1 of 3 ids have no prediction" in others.err


def test_extra_predictions_are_an_error_or_ignored(score):
    more = {**SAID, "77": "a tree"}
    result = score("cider", CAPTIONS, more)
    assert result.code == 1
    assert "1 id has no reference: '77'; delete them, or add --allow-extra" in result.err
    assert value_of(score("cider", CAPTIONS, more, "--allow-extra")) == value_of(score("cider", CAPTIONS, SAID))


@pytest.mark.parametrize(
    ("references", "predictions", "expected"),
    [
        (CAPTIONS, "", "p.json: expected predictions, found an empty file"),
        ("", SAID, "refs.json: expected references, found an empty file"),
        (CAPTIONS, "{}", "expected predictions, found none"),
        ("[]", SAID, "expected references, found none"),
        (CAPTIONS, {**SAID, "9": None}, "key '9': id '9': expected a text, found None"),
        (CAPTIONS, {**SAID, "9": 3}, "expected a text, found 3"),
        (CAPTIONS, {**SAID, "9": ["a", "b"]}, "expected a text, found ['a', 'b']"),
        (CAPTIONS, '{"9": NaN}', "expected a text, found nan"),
        (CAPTIONS, '{"9": "a", "9": "b"}', "key '9' occurs twice; keep one"),
        (CAPTIONS, [{"image_id": 9, "caption": "a"}] * 2, "row 1: id '9' was already answered at row 0"),
        (CAPTIONS, [{"image_id": 9}], "row 0: no answer among the keys image_id"),
        (CAPTIONS, [{"caption": "a"}], "row 0: no id among the keys caption"),
        (CAPTIONS, [{"image_id": None, "caption": "a"}], "'image_id': expected a number or a text, found None"),
        (CAPTIONS, ["a"], "row 0: expected an object with an id, found 'a'"),
        (CAPTIONS, "a red bus\n", "line 1: expected JSON or CSV, found 'a red bus'"),
        (CAPTIONS, {"1": "a", "2": "b"}, "no id is one of the references, for example '1', '2'; theirs are '9', '25'"),
        ({"9": []}, {"9": "a"}, "key '9': id '9' has no reference"),
        ({"9": [None]}, {"9": "a"}, "key '9': expected texts, found None"),
        ({"9": 5}, {"9": "a"}, "key '9': expected texts, found 5"),
        ([{"image_id": 9}], {"9": "a"}, "row 0: no references among the keys image_id"),
        ([{"id": 9, "answers": ["a"]}] * 2, {"9": "a"}, "row 1: id '9' occurs twice"),
        ({"questions": [{"question_id": 9}]}, {"9": "a"}, "this is a file of questions, without answers"),
        ("[" * 100_000, SAID, "nested too deeply"),
    ],
)
def test_bad_files_are_one_line(score, references, predictions, expected):
    result = score("cider", references, predictions)
    assert result.code == 1
    assert expected in result.err
    assert result.out == ""
    assert len(result.err.splitlines()) == 1


def test_accuracy_has_one_reference(score):
    result = score("accuracy", {"1": ["a", "b"]}, {"1": "a"})
    assert "id '1': accuracy compares with one answer, found 2" in result.err
    assert value_of(score("accuracy", {"1": ["a", "a"]}, {"1": "a"})) == 1.0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("p.json",), "expected NAME and PREDICTIONS, found p.json"),
        (("vqav2", "p.json", "q.json"), "expected NAME and PREDICTIONS"),
        (("vqav2", "p.json", "--references", "r.json", "--metric", "vqa"), "expected PREDICTIONS alone"),
        (("p.json", "--references", "r.json"), "--references needs --metric"),
        (("p.json", "--references", "r.json", "--metric", "vqq"), "unknown metric 'vqq'; did you mean 'vqa'?"),
        (("p.json", "--references", "r.json", "--metric", "vqa", "--split", "test"), "--split does not go with"),
        (("p.json", "--references", "r.json", "--metric", "vqa", "-n", "3"), "-n does not go with --references"),
        (("vqav2", "p.json", "--tokenised"), "--tokenised does not go without --references"),
        (("vqav2", "p.json", "--only-predicted"), "--only-predicted does not go without --references"),
        (("vqav3", "p.json"), "unknown dataset 'vqav3'; did you mean 'vqav2'?"),
        (
            ("p", "--references", "r", "--metric", "vqa", "--only-predicted", "--allow-missing"),
            "--only-predicted and --allow-missing exclude each other",
        ),
    ],
)
def test_wrong_usage(cli, arguments, expected):
    result = cli("score", *arguments)
    assert result.code == 2
    assert expected in result.err


@pytest.mark.parametrize(
    ("metric", "option", "expected"),
    [
        ("cider", ("--profile", "evalai"), "--profile: cider has no profiles"),
        ("vqa", ("--tokenised",), "--tokenised: vqa compares no captions"),
    ],
)
def test_options_that_a_metric_does_not_have(score, metric, option, expected):
    assert expected in score(metric, CAPTIONS, SAID, *option).err


def test_an_unknown_profile_is_one_line(score):
    result = score("vqa", VQA, {"1": "no", "2": "red"}, "--profile", "vqa-lavi")
    assert result.code != 0
    assert "vqa-lavi" in result.err


def test_a_table_without_json(cli, tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(VQA))
    (tmp_path / "p.json").write_text('{"1": "no", "2": "red"}')
    result = cli("score", "--metric", "vqa", "--references", tmp_path / "r.json", tmp_path / "p.json")
    assert result.out.splitlines()[2].split() == ["vqa", "(vqa-official-2021)", "80.00", "2"]


def test_plain_files_need_neither_torch_nor_pyarrow(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(CAPTIONS))
    (tmp_path / "p.json").write_text(json.dumps(SAID))
    code = f"""
import sys
sys.argv = ["ib-data", "score", "--metric", "cider", "--references", {str(tmp_path / "r.json")!r},
            {str(tmp_path / "p.json")!r}]
from ib_data.cli import main
main()
print(sorted({{"torch", "transformers", "pyarrow", "duckdb"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.real
def test_the_golden_captions_have_their_published_score(cli, real):
    refs = real / "metrics/coco_refs_1000.json"
    said = real / "coco_caption/results/captions_val2014_fakecap_results.json"
    found = value_of(cli("score", "--metric", "cider", "--references", refs, said, "--json"))
    assert found == pytest.approx(0.5997905185184199, abs=2e-4)
    tokenised = real / "metrics/coco_tokenised_1000.json"
    again = cli("score", "--metric", "cider", "--references", tokenised, tokenised, "--tokenised", "--json")
    assert value_of(again) == 0.5997905185184199
