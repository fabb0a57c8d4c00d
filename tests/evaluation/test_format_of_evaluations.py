"""docs/format.md describes the files of an evaluation: every key, in both directions; its examples are read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from format_page import check_keys, example, table
from toy_model import ToyModel
from toy_reports import A, B, toy_evaluated

from ib_data.cards import load_card
from ib_data.evaluation.case import Prediction
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.report.report import report_of
from ib_data.evaluation.results.form import ResultsForm
from ib_data.evaluation.run.prediction_files import plain, read_predictions
from ib_data.evaluation.run.run import Run
from ib_data.evaluation.run.several import evaluate_all
from ib_data.evaluation.scoring.evaluated import Shuffled
from ib_data.home import Home
from ib_data.stored.store import LocalStore
from ib_data.templates.renderer import Renderer


def require_described(value: Mapping[str, Any], title: str) -> None:
    """All keys that the page says are always there, in its order, and no other."""
    check_keys(value, title)
    assert [name for name in table(title) if name in value] == list(value)


def test_the_files_of_a_run_are_as_described(tmp_path: Path, build_split: Callable[..., Path], jpeg_of: Any) -> None:
    build_split(Home(tmp_path), "vqav2", 3, split="validation", picture=jpeg_of)
    model, out = ToyModel(lambda asked: "red"), tmp_path / "out"
    run = Run(model=model, store=LocalStore(Home(tmp_path)), folder=out, renderer=Renderer())
    evaluate_all(run, [protocol_of(load_card("vqav2"))])
    report = json.loads((out / "report.json").read_text())
    require_described(report, "`report.json`")
    require_described(report["datasets"]["vqav2"], "Results in a report")
    require_described(json.loads((out / "vqav2" / "run.json").read_text()), "`run.json`")
    for name in ("predictions.jsonl", "examples.jsonl"):
        require_described(json.loads((out / "vqav2" / name).read_text().splitlines()[0]), f"`{name}`")


def test_the_words_inside_of_results_are_in_the_page() -> None:
    shuffled = Shuffled(seed=3, predictions=toy_evaluated(B).predictions, scores=toy_evaluated(B).scores)
    found = report_of([toy_evaluated(A, shuffled=shuffled)])["datasets"]["gqa"]
    for name in ("counts", "lengths", "leakage", "examples", "shuffled"):
        text = table("Results in a report")[name][-1]
        assert [key for key in found[name] if f"`{key}`" not in text] == []
    entry = found["published"][0]
    assert [key for key in entry if f"`{key}`" not in table("Results in a report")["published"][-1]] == []


def test_a_prediction_is_read_and_written_as_described(tmp_path: Path) -> None:
    assert list(table("`predictions.jsonl`")) == [field.name for field in fields(Prediction)]
    line = example("`predictions.jsonl`")
    (tmp_path / "predictions.jsonl").write_text(json.dumps(line) + "\n")
    (found,) = read_predictions(tmp_path / "predictions.jsonl")
    assert plain(found) == line
    require_described(example("`examples.jsonl`"), "`examples.jsonl`")


def test_every_kind_of_value_in_a_results_file_is_described() -> None:
    assert list(table("Results of a dataset")) == list(get_args(get_type_hints(ResultsForm)["kind"]))
