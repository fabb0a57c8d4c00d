"""`ib-data evaluate`: which datasets are scored, and where; how `score` prints a loss."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_model import ToyModel
from toy_reports import toy_evaluated

from ib_data.evaluation.metrics.scores import mean_scores
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.report.report import report_of
from ib_data.evaluation.scoring.evaluated import Group, Shuffled
from ib_data.home import Home
from ib_data.stored.built_split import NotBuiltError
from ib_data.verbs.evaluated import protocols_of
from ib_data.verbs.score_table import show_report
from ib_data.verbs.scored import lines_of

Build = Callable[..., Path]


def test_a_group_leaves_out_what_has_no_vocabulary(
    tmp_path: Path, build_split: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is asked: hours into a run would be too late."""
    home = Home(tmp_path)
    build_split(home, "msvd_qa", 2, split="test")
    build_split(home, "gqa", 2, split="test")
    found = protocols_of(home, ("held-out",), None, {})
    assert [protocol.dataset for protocol in found] == ["gqa"]
    said = capsys.readouterr().err
    assert "left out: msvd_qa: the candidates are the answers of its training split, which is not built" in said
    generated = protocols_of(home, ("held-out",), None, {"method": "generate"})
    assert [protocol.dataset for protocol in generated] == ["gqa", "msvd_qa"]
    build_split(home, "msvd_qa", 2, split="train")
    assert len(protocols_of(home, ("held-out",), None, {})) == 2


def test_a_named_dataset_without_its_vocabulary_is_an_error(tmp_path: Path, build_split: Build) -> None:
    build_split(Home(tmp_path), "msvd_qa", 2, split="test")
    with pytest.raises(NotBuiltError, match="run `ib-data build msvd_qa --split train`, or add --method generate"):
        protocols_of(Home(tmp_path), ("msvd_qa",), None, {})


def test_two_splits_of_a_dataset_have_their_own_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build_split: Build, jpeg_of: Any, cli: Any
) -> None:
    monkeypatch.setattr("ib_data.training.generation.opened.open_answerer", lambda *given, **options: None)
    monkeypatch.setattr("ib_data.training.answering.ModelAnswers", lambda *given: ToyModel(lambda asked: "red"))
    for split in ("train", "validation"):
        build_split(Home(tmp_path), "vqav2", 2, split=split, picture=jpeg_of)
    for split in ((), ("--split", "train"), ()):
        result = cli("evaluate", "vqav2", "--model", "toy", *split, "--home", tmp_path)
        assert result.code == 0, result.err
    assert len(list((tmp_path / "evaluations").glob("toy-*/report.html"))) == 2


def test_a_loss_is_printed_in_nats_and_not_times_100() -> None:
    protocol = Protocol(dataset="llava_detail", split="train", method="rank", metric="token-loss")
    text = "\n".join(lines_of(toy_evaluated([1.5, 2.5, 2.0, 2.0], protocol=protocol)))
    assert "2.0000" in text
    assert "200" not in text


@pytest.fixture
def toy_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build_split: Build, jpeg_of: Any, cli: Any) -> Any:
    """`evaluate` of a toy model that answers "red", on vqav2, aokvqa and gqa of a small home."""
    monkeypatch.setattr("ib_data.training.generation.opened.open_answerer", lambda *given, **options: None)
    monkeypatch.setattr(
        "ib_data.training.answering.ModelAnswers",
        lambda *given: ToyModel(lambda *asked: "red" if len(asked) == 1 else 1),
    )
    for dataset, split in (("vqav2", "validation"), ("aokvqa", "validation"), ("gqa", "test")):
        build_split(Home(tmp_path), dataset, 3, split=split, picture=jpeg_of)
    return lambda *given: cli("evaluate", *given, "--model", "toy", "--home", tmp_path)


def test_json_has_the_unrounded_score_of_each_dataset(toy_verb: Any) -> None:
    result = toy_verb("vqav2", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)["datasets"]
    assert list(found) == ["vqav2"]
    assert found["vqav2"]["score"] == 1.0
    assert {"metric", "interval", "counts"} <= found["vqav2"].keys()
    assert "examples" not in found["vqav2"]


def test_a_second_command_keeps_the_first_report(toy_verb: Any, tmp_path: Path) -> None:
    assert toy_verb("vqav2").code == toy_verb("aokvqa").code == 0
    (report,) = (tmp_path / "evaluations").glob("toy-*/report.json")
    assert list(json.loads(report.read_text())["datasets"]) == ["vqav2", "aokvqa"]
    assert "vqav2" not in toy_verb("aokvqa").out.replace("evaluations", "")


def test_a_profile_changes_no_prediction(toy_verb: Any, tmp_path: Path) -> None:
    assert toy_verb("vqav2").code == toy_verb("vqav2", "--profile", "vqa-lavis").code == 0
    assert len(list((tmp_path / "evaluations").iterdir())) == 1


def test_a_method_that_a_member_of_a_group_lacks_leaves_it_out(toy_verb: Any) -> None:
    result = toy_verb("held-in", "--method", "rank", "-n", "2")
    assert "left out: vqav2: unknown method 'rank'" in result.err
    assert "aokvqa" in result.out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("vqav2", "--method", "rank"), "vqav2: unknown method 'rank'"),
        (("gqa", "--normalisation", "bytes"), "gqa: --normalisation is for ranked candidates"),
        (("vqav2", "--split", "test"), "vqav2: split 'test' is not built here"),
        (("nope",), "unknown dataset 'nope'"),
        (("vqav2", "--prompt", "{{ qestion }}"), "unknown field 'qestion'"),
        (("vqav2", "--prompt", "{{ answer }}"), "the instruction shows the target"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(toy_verb: Any, given: tuple[str, ...], said: str) -> None:
    result = toy_verb(*given)
    assert result.code in (1, 2)
    assert said in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


def test_what_is_also_measured_is_printed_in_the_unit_of_the_score() -> None:
    one = toy_evaluated([1.0, 0.5])
    also = {"profile vqa-lavis": 0.96129, "mean rank": 12.5, "consistency questions": 3.0, "reflen": 90.0}
    rounds = {name: Group(score=0.5, count=1) for name in ("1", "10", "2")}
    text = "\n".join(lines_of(replace(one, scores=replace(one.scores, also=also), breakdown={"round": rounds})))
    assert [line.split()[0] for line in text.splitlines()[-3:]] == ["1", "2", "10"]
    assert "profile vqa-lavis: 96.13" in text
    assert "mean rank (lower is better): 12.50" in text
    assert "consistency questions: 3\n" in text + "\n"
    assert "reflen" not in text


def test_the_terminal_says_what_the_image_adds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = toy_evaluated([1.0, 1.0, 0.0, 1.0])
    other = Shuffled(seed=0, predictions=one.predictions, scores=mean_scores([1.0, 0.0, 0.0, 0.0]))
    show_report(report_of([replace(one, shuffled=other)]), ["gqa"], tmp_path, False)
    assert "25.00         +50.00 (50.00 to 50.00)" in capsys.readouterr().out
    show_report(report_of([one]), ["gqa"], tmp_path, False)
    assert "image adds" not in capsys.readouterr().out
