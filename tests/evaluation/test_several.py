"""A run over several datasets: its report, and what the image is worth."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_model import ToyModel

from ib_data.cards import load_card
from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Asked
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.run.run import Run
from ib_data.evaluation.run.several import evaluate_all, folder_name
from ib_data.home import Home
from ib_data.stored.store import LocalStore
from ib_data.templates.renderer import Renderer


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, build_split: Callable[..., Path], jpeg_of: Any) -> Home:
    found = Home(tmp_path_factory.mktemp("several"))
    build_split(found, "vqav2", 10, split="validation", picture=jpeg_of)
    build_split(found, "coco_caption", 4, split="test", picture=jpeg_of)
    return found


def run_of(home: Home, folder: Path, model: ToyModel) -> Run:
    return Run(model=model, store=LocalStore(home), folder=folder, renderer=Renderer())


PROTOCOLS = [protocol_of(load_card(name)) for name in ("vqav2", "coco_caption")]


def test_a_report_has_every_dataset(home: Home, tmp_path: Path) -> None:
    found = evaluate_all(run_of(home, tmp_path, ToyModel(lambda asked: "red")), PROTOCOLS).report
    assert found is not None
    assert list(found["datasets"]) == ["vqav2", "coco_caption"]
    assert (tmp_path / "report.json").is_file()
    assert (tmp_path / "report.html").read_text().count("data:image/") >= 10


def test_a_model_that_looks_loses_what_it_saw_when_images_are_exchanged(home: Home, tmp_path: Path) -> None:
    """Right only about the own image: the first colour that was seen for a question is taken as its own."""
    own: dict[str, bytes] = {}

    def looks(asked: Asked) -> str:
        image = np.asarray(asked.media[0]).tobytes()
        return "red" if own.setdefault(asked.prompt, image) == image else "green"

    model = ToyModel(looks)
    found = evaluate_all(run_of(home, tmp_path, model), PROTOCOLS[:1], shuffle_seed=3).report
    assert found is not None
    entry = found["datasets"]["vqav2"]
    assert entry["score"] == 1.0
    assert entry["shuffled"] == {
        "seed": 3, "score": 0.0, "from_image": 1.0, "interval": [1.0, 1.0], "answers_changed": 1.0, "failed": 0,
    }  # fmt: skip
    assert len(model.asked) == 40


def test_a_model_that_is_blind_loses_nothing(home: Home, tmp_path: Path) -> None:
    found = evaluate_all(run_of(home, tmp_path, ToyModel(lambda asked: "red")), PROTOCOLS[:1], shuffle_seed=0).report
    assert found is not None
    assert found["datasets"]["vqav2"]["shuffled"]["from_image"] == 0.0
    assert found["datasets"]["vqav2"]["shuffled"]["answers_changed"] == 0.0


def test_the_folder_s_name_depends_on_the_model_and_the_settings_only(home: Home, tmp_path: Path) -> None:
    run = run_of(home, tmp_path, ToyModel(lambda asked: "red"))
    other = run_of(home, tmp_path, ToyModel(lambda asked: "red", name="runs/other"))
    assert folder_name(run, {}) == folder_name(run, {}) != folder_name(run, {"method": "rank"})
    assert folder_name(other, {}).startswith("other-")


def test_a_dataset_that_fails_does_not_stop_the_others(home: Home, tmp_path: Path) -> None:
    def fails(asked: Asked) -> str:
        if asked.prompt.endswith("?") or "colour" in asked.prompt:
            raise IbDataError("no memory")
        return "a drawing"

    found = evaluate_all(run_of(home, tmp_path, ToyModel(fails)), PROTOCOLS)
    assert found.report is not None
    assert list(found.report["datasets"]) == ["coco_caption"]
    assert found.faults == {"vqav2": "none of 20 questions could be answered: no memory"}


def test_a_report_keeps_the_datasets_of_earlier_commands(home: Home, tmp_path: Path) -> None:
    run = run_of(home, tmp_path, ToyModel(lambda asked: "red"))
    first = evaluate_all(run, PROTOCOLS[:1]).report
    second = evaluate_all(run, PROTOCOLS[1:]).report
    assert first is not None
    assert second is not None
    assert list(second["datasets"]) == ["vqav2", "coco_caption"]
    assert second["datasets"]["vqav2"] == first["datasets"]["vqav2"]
    page = (tmp_path / "report.html").read_text()
    assert 'id="vqav2"' in page or "vqav2" in page
    other = evaluate_all(run_of(home, tmp_path / "x", ToyModel(lambda asked: "red", name="b")), PROTOCOLS[1:]).report
    assert other is not None
    assert list(other["datasets"]) == ["coco_caption"]


def test_a_report_of_another_model_is_replaced(home: Home, tmp_path: Path) -> None:
    evaluate_all(run_of(home, tmp_path, ToyModel(lambda asked: "red")), PROTOCOLS[:1])
    found = evaluate_all(run_of(home, tmp_path, ToyModel(lambda asked: "red", name="b")), PROTOCOLS[1:]).report
    assert found is not None
    assert list(found["datasets"]) == ["coco_caption"]


def test_the_score_stays_if_images_cannot_be_exchanged(tmp_path: Path, build_split: Any, jpeg_of: Any) -> None:
    one = Home(tmp_path / "home")
    build_split(one, "vqav2", 1, split="validation", picture=jpeg_of)
    found = evaluate_all(run_of(one, tmp_path, ToyModel(lambda asked: "red")), PROTOCOLS[:1], shuffle_seed=0)
    assert found.report is not None
    assert found.report["datasets"]["vqav2"]["score"] == 1.0
    assert found.report["datasets"]["vqav2"]["shuffled"] is None
    assert "images cannot be exchanged" in found.faults["vqav2"]
