"""What of an evaluated split the model was trained on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_model import ToyModel

from ib_data.cards import load_card
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.run.run import Run
from ib_data.evaluation.run.several import evaluate_all
from ib_data.home import Home
from ib_data.stored.store import LocalStore
from ib_data.templates.renderer import Renderer


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, build_split: Callable[..., Path], jpeg_of: Any) -> Home:
    """Images 0 to 3 of vqav2/validation are in okvqa/train too."""
    found = Home(tmp_path_factory.mktemp("leaking"))
    build_split(found, "vqav2", 10, split="validation", picture=jpeg_of)
    build_split(found, "vqav2", 5, split="train", picture=lambda _, number: jpeg_of("other", number))
    build_split(found, "okvqa", 4, split="train", picture=lambda _, number: jpeg_of("vqav2", number))
    return found


def report(home: Home, folder: Path, trained_on: list[tuple[str, str]] | None) -> dict[str, Any]:
    # Right about the images that leak, and nothing else.
    model = ToyModel(lambda asked: "red" if any(f" {n}-" in asked.prompt for n in range(4)) else "green")
    model.trained_on = trained_on
    run = Run(model=model, store=LocalStore(home), folder=folder, renderer=Renderer())
    found = evaluate_all(run, [protocol_of(load_card("vqav2"))]).report
    assert found is not None
    return found


def test_shared_images_are_counted_and_the_score_is_given_without_them(home: Home, tmp_path: Path) -> None:
    found = report(home, tmp_path, [("okvqa", "train")])
    leakage = found["datasets"]["vqav2"]["leakage"]
    assert found["datasets"]["vqav2"]["score"] == pytest.approx(8 / 20)
    assert (leakage["shared_images"], leakage["shared_cases"], leakage["score_without"]) == (4, 8, 0.0)
    assert not leakage["trained_on"]
    assert "vqav2/validation: 4 images of it, in 8 cases, are in the training data" in found["warnings"]


def test_a_dataset_that_was_trained_on_is_the_first_line(home: Home, tmp_path: Path) -> None:
    found = report(home, tmp_path, [("okvqa", "train"), ("vqav2", "train")])
    assert (
        found["warnings"][0] == "vqav2: the model was trained on another split of this dataset; this is not zero-shot"
    )
    page = (tmp_path / "report.html").read_text()
    assert page.index("was trained on another split") < page.index("<h1")


def test_the_very_examples_are_the_first_line(home: Home, tmp_path: Path) -> None:
    found = report(home, tmp_path, [("vqav2", "validation")])
    assert found["warnings"][0] == "vqav2/validation: the model was trained on these very examples"
    assert found["datasets"]["vqav2"]["leakage"]["score_without"] is None


def test_members_that_are_not_built_are_named(home: Home, tmp_path: Path) -> None:
    found = report(home, tmp_path, [("textcaps", "train")])
    assert found["datasets"]["vqav2"]["leakage"]["members_not_built"] == ["textcaps/train"]
    assert any("not compared with training data that is not built here: textcaps/train" in w for w in found["warnings"])


def test_unknown_training_data_is_said(home: Home, tmp_path: Path) -> None:
    found = report(home, tmp_path, None)
    assert found["datasets"]["vqav2"]["leakage"] == {"known": False}
    assert "what the model was trained on is not known" in (tmp_path / "report.html").read_text()
