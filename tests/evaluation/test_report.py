"""The JSON of a report and the lines about its examples."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_reports import toy_case, toy_evaluated

import ib_data
from ib_data.errors import IbDataError
from ib_data.evaluation.case import Prediction
from ib_data.evaluation.metrics.scores import Scores, mean_scores
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.report.report import report_of
from ib_data.evaluation.report.writing import write_report
from ib_data.evaluation.scoring.evaluated import Group, Shuffled

VALUES = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.3]


def no_media(_dataset: str, _split: str, _key: str) -> None:
    return None


def test_the_names_of_the_report():
    report = report_of([toy_evaluated(VALUES)])
    assert list(report) == ["format", "version", "ib_data", "model", "warnings", "datasets"]
    assert (report["format"], report["version"], report["ib_data"]) == ("ib_data report", 1, ib_data.__version__)
    assert report["model"] == {"name": "toy", "fingerprint": "abc123"}
    assert list(report["datasets"]) == ["gqa"]
    assert set(report["datasets"]["gqa"]) == {
        "score", "metric", "profile", "interval", "counts", "split", "source_name", "method", "prompt", "decoding",
        "ranking", "also", "breakdown", "lengths", "published", "leakage", "shuffled", "failures", "examples",
        "note", "warnings",
    }  # fmt: skip


def test_what_is_said_of_a_dataset():
    predictions = [
        Prediction(id="q0", answer="two cats", num_tokens=3, is_truncated=True),
        Prediction(id="q1", answer="two cats", num_tokens=2, is_truncated=False),
        Prediction(id="q2", answer=" "),
        Prediction(id="q3", error="the clip cannot be decoded"),
        *[Prediction(id=f"q{i}", answer="no", num_tokens=1) for i in (4, 5, 6)],
    ]
    groups = {"type": {"query": Group(score=0.75, count=4), "verify": Group(score=float("nan"), count=0)}}
    one = replace(toy_evaluated(VALUES), predictions=predictions, breakdown=groups, is_part=True, num_built=90)
    found = report_of([one])["datasets"]["gqa"]
    assert found["score"] == pytest.approx(4.3 / 7, abs=1e-15)
    assert found["interval"][0] < found["score"] < found["interval"][1]
    assert found["counts"] == {
        "cases": 7, "failed": 1, "empty": 1, "truncated": 1, "images": 4, "built": 90, "official": 12_578,
        "is_part": True, "used": 0, "kind": [],
    }  # fmt: skip
    assert found["failures"] == [{"id": "q3", "error": "the clip cannot be decoded"}]
    assert found["breakdown"]["type"] == {
        "query": {"score": 0.75, "count": 4},
        "verify": {"score": None, "count": 0},
    }
    assert found["lengths"]["mean_tokens"] == 8 / 5
    assert found["lengths"]["max_tokens"] == 3
    assert found["lengths"]["frequent_answers"][:2] == [
        {"answer": "no", "count": 3, "share": 3 / 7},
        {"answer": "two cats", "count": 2, "share": 2 / 7},
    ]
    assert found["ranking"] == {}
    assert found["decoding"] == {"num_beams": 5, "max_new_tokens": 10}


def test_examples_are_the_worst_and_random_ones():
    values = [i / 100 for i in range(100)]
    found = report_of([toy_evaluated(values)])["datasets"]["gqa"]["examples"]
    assert [one["value"] for one in found["worst"]] == values[:20]
    assert len({one["id"] for one in found["random"]}) == 20
    assert np.mean([one["value"] for one in found["random"]]) > 0.3  # not the worst
    assert found["worst"][3] == {
        "id": "q3", "key": "gqa-test-image1", "image": f"{1:064x}", "value": 0.03, "answer": "answer 3",
        "gold": ["gold 3"], "forms": {"prediction": "answer 3", "references": ["gold 3"]}, "template": "zero_shot",
        "prompt": "what is 3? Short answer:",
    }  # fmt: skip
    wrong = report_of([toy_evaluated([0.0] * 400)])["datasets"]["gqa"]["examples"]["worst"]
    assert max(int(one["id"][1:]) for one in wrong) > 200  # equal values: from the whole split
    assert report_of([toy_evaluated([0.0] * 400)])["datasets"]["gqa"]["examples"]["worst"] == wrong


def test_ranked_examples_have_their_best_candidates():
    one = toy_evaluated([1.0, 0.0], method="rank")
    cases = [replace(case, candidates=("a", "b", "a", "c", "d", "e", "f")) for case in one.cases]
    scores = {0: -3.0, 1: -1.0, 2: -1.0, 3: -9.0, 4: float("-inf"), 5: -2.0, 6: -8.0}
    predictions = [Prediction(id=case.id, answer="b", choice=1, scores=scores) for case in cases]
    protocol = Protocol(
        dataset="gqa", split="test", method="rank", metric="accuracy", candidates="options",
        verbalisers={"yes": ("yes", "true")},
    )  # fmt: skip
    found = report_of([replace(one, cases=cases, predictions=predictions, protocol=protocol)])["datasets"]["gqa"]
    top = found["examples"]["random"][0]["candidates"]
    assert [(entry["text"], entry["score"]) for entry in top] == [
        ("b", -1.0), ("a", -1.0), ("e", -2.0), ("a", -3.0), ("f", -8.0),
    ]  # fmt: skip
    assert found["ranking"] == {
        "candidates": "options", "normalisation": "sum", "aggregation": "logsumexp",
        "verbalisers": {"yes": ["yes", "true"]},
    }  # fmt: skip


def test_the_best_labels_are_named_as_labels():
    protocol = Protocol(
        dataset="vsr", split="test", method="rank", metric="accuracy", candidates="verbalisers",
        verbalisers={"true": ("true", "yes"), "false": ("false", "no")},
    )  # fmt: skip
    one = toy_evaluated([1.0], dataset="vsr", protocol=protocol)
    cases = [replace(case, candidates=("true", "yes", "false", "no")) for case in one.cases]
    predictions = [Prediction(id=case.id, answer="false", choice=1, scores={0: -2.0, 1: -1.0}) for case in cases]
    found = report_of([replace(one, cases=cases, predictions=predictions)])["datasets"]["vsr"]
    assert [entry["text"] for entry in found["examples"]["random"][0]["candidates"]] == ["false", "true"]


def test_equal_warnings_of_several_datasets_are_one_line():
    found = report_of(
        [toy_evaluated([1.0], dataset=name, warnings=[f"{name}/test: miniature"]) for name in ("gqa", "vsr")]
    )
    assert found["warnings"] == ["gqa/test, vsr/test: miniature"]


def test_what_is_not_a_number_is_null_with_a_warning():
    scores = Scores(score=float("nan"), values=np.array([1.0, float("nan")]), also={"r@1": float("inf"), "n": 2})
    one = replace(toy_evaluated([1.0, 0.0]), scores=scores, warnings=["the model was trained on gqa"])
    report = report_of([one])
    found = report["datasets"]["gqa"]
    assert found["score"] is None
    assert found["interval"] is None
    assert found["also"] == {"r@1": None, "n": 2}
    assert [example["value"] for example in found["examples"]["random"]] == [1.0, None]
    assert report["warnings"] == [
        "the model was trained on gqa",
        "gqa: the score is not a number",
        "gqa: 1 of 2 examples have a value that is not a number",
        "gqa: no value for r@1: no case has one",
    ]
    json.dumps(report, allow_nan=False)


def test_warnings_of_all_datasets_come_once():
    reported = report_of(
        [toy_evaluated([1.0], warnings=["w"]), toy_evaluated([1.0], dataset="vsr", warnings=["w", "v"])]
    )
    assert reported["warnings"] == ["w", "v"]


def test_a_report_has_each_dataset_once_and_one_model():
    with pytest.raises(IbDataError, match="gqa: evaluated twice"):
        report_of([toy_evaluated([1.0]), toy_evaluated([0.0])])
    with pytest.raises(IbDataError, match="one model"):
        report_of([toy_evaluated([1.0]), toy_evaluated([0.0], dataset="vsr", model={"name": "other"})])


def test_images_without_hashes_are_told_apart_by_key():
    one = toy_evaluated([1.0, 0.0, 1.0, 1.0])
    cases = [replace(case, media_sha256=None) for case in one.cases]
    assert report_of([replace(one, cases=cases)])["datasets"]["gqa"]["counts"]["images"] == 2


def test_files_of_a_report(tmp_path: Path):
    one = toy_evaluated(VALUES)
    one = replace(one, predictions=[*one.predictions[:-1], Prediction(id="q6", error="no image")])
    report = write_report(tmp_path / "new" / "report", [one], no_media)
    folder = tmp_path / "new" / "report"
    assert json.loads((folder / "report.json").read_text()) == report
    lines = [json.loads(line) for line in (folder / "gqa" / "examples.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [f"q{i}" for i in range(7)]
    assert list(lines[0]) == ["id", "key", "image", "value", "answer", "gold", "forms", "prompt", "template"]
    assert math.fsum(line["value"] for line in lines) / 7 == pytest.approx(report["datasets"]["gqa"]["score"])
    assert lines[6]["error"] == "no image"
    assert not list(folder.rglob("*.part"))


def test_any_text_can_be_written(tmp_path: Path):
    answer = "line\u2028break \ud800 \x00 \U0001f600"
    one = toy_evaluated([1.0])
    one = replace(
        one,
        cases=[toy_case(0)],
        predictions=[Prediction(id="q0", answer=answer)],
        scores=mean_scores([1.0]),
    )
    write_report(tmp_path, [one], no_media)
    (line,) = (tmp_path / "gqa" / "examples.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert json.loads(line)["answer"] == answer.replace("\ud800", "?")


def test_a_faulty_report_writes_nothing(tmp_path: Path):
    with pytest.raises(IbDataError, match="evaluated twice"):
        write_report(tmp_path, [toy_evaluated([1.0]), toy_evaluated([0.0])], no_media)
    assert list(tmp_path.iterdir()) == []


def test_a_split_without_public_answers_says_so():
    scores = Scores(score=float("nan"), values=np.full(2, float("nan")))
    report = report_of([replace(toy_evaluated([0.0, 0.0]), scores=scores, is_hidden=True)])
    assert report["warnings"] == ["gqa: no answer of split test is public, so nothing is scored"]


def test_what_the_image_is_worth():
    one = toy_evaluated([1.0, 1.0, 1.0, 0.0])
    others = [replace(p, answer="answer 0") for p in one.predictions]
    shuffled = Shuffled(seed=5, predictions=others, scores=mean_scores(np.array([1.0, 0.0, 1.0, 0.0])))
    found = report_of([replace(one, shuffled=shuffled)])["datasets"]["gqa"]
    assert found["score"] == 0.75
    assert {k: v for k, v in found["shuffled"].items() if k != "interval"} == {
        "seed": 5, "score": 0.5, "from_image": 0.25, "answers_changed": 0.75, "failed": 0,
    }  # fmt: skip
    low, high = found["shuffled"]["interval"]
    assert low <= 0.25 <= high
    assert found["examples"]["random"][1]["shuffled_answer"] == "answer 0"
    assert report_of([one])["datasets"]["gqa"]["shuffled"] is None


def test_of_losses_the_highest_are_the_worst():
    one = toy_evaluated([i / 10 for i in range(50)])
    one = replace(one, protocol=replace(one.protocol, metric="token-loss"))
    found = report_of([one])["datasets"]["gqa"]["examples"]["worst"]
    assert [example["value"] for example in found[:3]] == [4.9, 4.8, 4.7]
