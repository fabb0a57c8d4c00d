"""`ib-data score NAME`: predictions of a file against a built split."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ib_data.home import Home

GOOD = [{"question_id": f"{i}-{j}", "answer": "red"} for i in range(6) for j in range(2)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, build_split: Callable[..., Path], jpeg_of: Any) -> Home:
    found = Home(tmp_path_factory.mktemp("scored"))
    build_split(found, "vqav2", 6, split="validation", picture=jpeg_of)
    build_split(found, "okvqa", 9, split="validation")
    build_split(found, "coco_caption", 4, split="test")
    build_split(found, "aokvqa", 3, split="validation")
    build_split(found, "llava_detail", 2, split="train")
    build_split(found, "hateful_memes", 2, split="validation")
    return found


@pytest.fixture
def score(cli, built, tmp_path):
    """Runs `score NAME` on rows that are written as JSON."""

    def run(name, rows, *more):
        path = tmp_path / "p.json"
        path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
        return cli("score", name, path, "--home", built.root, *more)

    return run


def test_the_score_is_that_of_the_card_s_metric(score):
    result = score("vqav2", GOOD, "--json")
    assert result.code == 0, result.err
    values = json.loads(result.out)
    assert (values["dataset"], values["split"], values["score"]) == ("vqav2", "validation", 1.0)
    assert (values["metric"], values["profile"]) == ("vqa-accuracy", "vqa-official-2021")
    assert values["also"] == {"profile vqa-lavis": 1.0}
    assert values["counts"]["cases"] == 12
    assert values["interval"] == [1.0, 1.0]
    assert "examples" not in values


def test_the_table(score):
    rows = [{**row, "answer": "orange"} for row in GOOD]  # one of ten annotators
    result = score("vqav2", rows)
    assert result.code == 0, result.err
    assert "30.00" in result.out.splitlines()[2]
    assert "30.00 to 30.00" in result.out.splitlines()[2]


def test_metric_and_profile_may_be_others(score):
    values = json.loads(score("vqav2", GOOD, "--metric", "accuracy", "--json").out)
    assert (values["metric"], values["profile"], values["score"]) == ("accuracy", "exact", 1.0)
    values = json.loads(score("vqav2", GOOD, "--profile", "evalai", "--json").out)
    assert values["profile"] == "evalai"
    assert json.loads(score("vqav2", GOOD, "--metric", "vqa", "--json").out)["metric"] == "vqa-accuracy"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--metric", "mrr"), "vqav2: unknown metric 'mrr'"),
        (("--profile", "evalia"), "unknown profile 'evalia'; did you mean 'evalai'?"),
        (("--method", "rank"), "vqav2: unknown method 'rank'"),
        (("--split", "train"), "ib-data build vqav2"),
    ],
)
def test_what_a_dataset_does_not_have(score, options, expected):
    result = score("vqav2", GOOD, *options)
    assert result.code != 0
    assert expected in result.err


def test_a_view_is_scored_from_its_base(score):
    rows = {row["question_id"]: f"what colour is {row['question_id']}?" for row in GOOD}
    values = json.loads(score("vqav2_qg", rows, "--json").out)
    assert values["also"]["exact match"] == 1.0


def test_captions_are_answered_once_an_image(score):
    rows = [{"image_id": i, "caption": f"a drawing numbered {i}-0"} for i in range(4)]
    values = json.loads(score("coco_caption", rows, "--json").out)
    assert values["counts"]["cases"] == 4
    assert values["score"] == pytest.approx(5.0)  # one of two references


def test_direct_answers_and_choices_of_aokvqa_are_two_methods(score):
    rows = {f"{i}-{j}": {"multiple_choice": "blue", "direct_answer": "orange"} for i in range(3) for j in range(2)}
    direct, choice = score("aokvqa", rows, "--json"), score("aokvqa", rows, "--method", "rank", "--json")
    assert json.loads(direct.out)["score"] == pytest.approx(1 / 3)
    assert "the chosen options in the file are scored by --method rank" in direct.err
    assert json.loads(choice.out)["score"] == 1.0


def test_missing_predictions_count_as_wrong_if_allowed(score):
    result = score("vqav2", GOOD[:9])
    assert result.code == 1
    assert "3 of 12 questions have no prediction: '4-1', '5-0', '5-1'; " in result.err
    values = json.loads(score("vqav2", GOOD[:9], "--allow-missing", "--json").out)
    assert values["score"] == 0.75
    assert values["counts"]["failed"] == 3
    assert values["warnings"][1:] == [
        "vqav2/validation: 3 of 12 questions have no prediction in p.json and count as wrong"
    ]


def test_a_pinned_part_is_scored_of_a_whole_file(score):
    values = json.loads(score("vqav2", GOOD, "-n", 5, "--json").out)
    assert values["counts"]["cases"] == 5
    assert values["counts"]["is_part"] is True
    assert values["warnings"][1:] == ["vqav2/validation: a part: 5 cases of what is built"]


def test_the_part_of_the_card_is_scored(score, monkeypatch):
    from dataclasses import replace

    from ib_data.evaluation.results import split
    from ib_data.evaluation.results.split import protocol_of

    monkeypatch.setattr(split, "protocol_of", lambda *given, **more: replace(protocol_of(*given, **more), part=2))
    values = json.loads(score("vqav2", GOOD, "--json").out)
    assert values["counts"]["cases"] == 2
    assert json.loads(score("vqav2", GOOD, "-n", 3, "--json").out)["counts"]["cases"] == 3


def test_a_loss_is_printed_as_it_is(score):
    rows = [
        {"id": f"{i}-{j}", "answer": "red", "choice": 0, "scores": {"0": -3.0}, "num_tokens": 2}
        for i in range(2)
        for j in range(2)
    ]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    result = score("llava_detail", text, "--method", "rank")
    assert result.code == 0, result.err
    assert "1.5000" in result.out.splitlines()[2]
    assert "150" not in result.out


def test_scores_are_required_before_anything_is_scored(score):
    rows = [{"id": f"{i}-{j}", "choice": 0, "scores": {"0": -1}} for i in range(2) for j in range(2)]
    result = score("hateful_memes", "".join(f"{json.dumps(row)}\n" for row in rows))
    assert result.code == 1
    assert "roc-auc needs the score of each label, found none of" in result.err


def test_the_file_of_another_split_or_dataset_says_where_its_ids_are(score):
    rows = [{"question_id": f"{i}-0", "answer": "red"} for i in (7, 8)]
    result = score("vqav2", rows)
    assert "no id is in this split, for example '7-0', '8-0'; they are ids of okvqa/validation" in result.err
    extra = score("vqav2", [*GOOD, *rows])
    assert "2 ids are not in this split (ids of okvqa/validation): '7-0', '8-0'" in extra.err
    assert json.loads(score("vqav2", [*GOOD, *rows], "--allow-extra", "--json").out)["score"] == 1.0


def test_rows_that_the_build_dropped_are_no_extra_ids(score):
    result = score("vqav2", [*GOOD, {"question_id": "x1", "answer": "red"}])  # a drop of the tiny build
    assert result.code == 0, result.err
    assert "1 predictions are for rows that the build left out" in result.err


def test_the_report_and_the_predictions_are_written(score, tmp_path):
    result = score("vqav2", GOOD, "--out", tmp_path / "out")
    assert result.out.splitlines()[-1] == str(tmp_path / "out" / "report.json")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["datasets"]["vqav2"]["score"] == 1.0
    assert report["model"]["name"] == "p.json"
    assert len(report["model"]["sha256"]) == 64
    written = (tmp_path / "out" / "vqav2" / "predictions.jsonl").read_text()
    again = json.loads(score("vqav2", written, "--json").out)
    assert again["score"] == 1.0


def test_a_split_that_is_not_built_says_what_to_run(score):
    result = score("gqa", {"1": "red"})
    assert result.code == 1
    assert "ib-data build gqa" in result.err


@pytest.fixture
def hidden(tmp_path, monkeypatch, build_split):
    """A home whose vqav2/test has no answers."""
    import tiny_homes

    from ib_data.sample import Annotation

    monkeypatch.setattr(
        tiny_homes, "_annotations", lambda _name, i: tuple(Annotation(id=f"{i}{j}", question="?") for j in range(2))
    )
    home = Home(tmp_path / "hidden")
    build_split(home, "vqav2", 2, split="test")
    return home


def test_hidden_answers_point_to_the_server_and_its_file(cli, hidden, tmp_path):
    path = tmp_path / "my_model.jsonl"
    path.write_text("".join(f'{{"id": "{i}{j}", "answer": "red"}}\n' for i in range(2) for j in range(2)))
    arguments = ("score", "vqav2", path, "--split", "test", "--home", hidden.root)
    result = cli(*arguments)
    assert result.code == 1
    assert "vqav2/test: the answers are not public; they are scored by EvalAI" in result.err
    assert "add --out FOLDER to write vqa_OpenEnded_mscoco_test2015_MODEL_results.json" in result.err
    result = cli(*arguments, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    file = tmp_path / "out" / "vqa_OpenEnded_mscoco_test2015_my-model_results.json"
    assert result.out.splitlines()[-1] == str(file)
    assert json.loads(file.read_text())[0] == {"question_id": 0, "answer": "red"}


def test_scoring_a_split_needs_no_torch(built, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(GOOD))
    code = f"""
import sys
sys.argv = ["ib-data", "score", "vqav2", {str(tmp_path / "p.json")!r}, "--home", {str(built.root)!r}]
from ib_data.cli import main
main()
print(sorted({{"torch", "transformers", "duckdb"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
