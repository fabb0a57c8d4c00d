"""Answers of a model that was trained for a minute: from checkpoints, runs and copies of their start folder."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from toy_models import shared_toy_folder, toy_folder
from toy_training import COLOURS, ToyStream, draw, silent, toy_config, train_on

from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Asked
from ib_data.evaluation.decoding import Decoding
from ib_data.home import Home
from ib_data.training.generation.answerer import Answerer
from ib_data.training.generation.opened import load, open_answerer

QUESTION = "What colour is the shape? Short answer:"
SHORT = Decoding(max_new_tokens=5)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train_on(
        toy_config(steps=60, batch_size=16, save_every=60, warmup_steps=5, frames=3, cpu_threads=1),
        ToyStream(),
        out,
        silent,
    )
    return out


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def trained(run, home) -> Answerer:
    return load(run, home, "cpu")


def moved(checkpoint: Path, to: Path, start: Path) -> Path:
    """A copy of a checkpoint that says that it began from `start`, as on another machine."""
    from ib_data.training.loop.record import write_record

    shutil.copytree(checkpoint, to)
    state = json.loads((to / "state.json").read_text())
    state["model"]["start"] = str(start)
    (to / "state.json").write_text(json.dumps(state))
    (to / "checkpoint.json").unlink()
    write_record(to, state["step"])
    return to


def test_it_has_learnt_the_colours(trained: Answerer) -> None:
    said = trained.generate([Asked(QUESTION, [draw(colour, "circle")]) for colour in COLOURS], SHORT)
    assert sum(word == colour for word, colour in zip(said, COLOURS, strict=True)) >= 3


def test_torch_takes_the_threads_of_the_run(run, home) -> None:
    torch.set_num_threads(2)
    load(run, home, "cpu")
    assert torch.get_num_threads() == 1


def test_only_new_words_come_back(trained: Answerer) -> None:
    (text,) = trained.generate([Asked(QUESTION, [draw("red", "circle")])], Decoding(max_new_tokens=3))
    assert "colour" not in text
    assert "<" not in text
    assert len(text.split()) <= 3
    assert text == text.strip()


def test_max_new_tokens_counts_new_ones_only(trained: Answerer) -> None:
    long = Asked("Short answer: " * 60 + QUESTION, [draw("red", "circle")])
    (one,) = trained.generate([long], Decoding(max_new_tokens=1))
    assert len(one.split()) <= 1


def test_a_run_its_checkpoint_and_its_name_under_the_home_are_the_same_model(run, home, trained: Answerer) -> None:
    (home.root / "runs").mkdir(parents=True, exist_ok=True)
    shutil.copytree(run, home.root / "runs" / "mine")
    for name in (run, run / "step-000060", "runs/mine", "mine"):
        other = open_answerer(str(name), home)
        ours, theirs = trained.model.state_dict(), other.model.state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
        assert (other.made_from, other.num_frames) == (trained.made_from, 3)


def test_a_run_differs_from_the_folder_that_it_began_from(home, trained: Answerer) -> None:
    untrained = open_answerer(str(shared_toy_folder()), home)
    name = "language_projection.weight"
    assert not torch.equal(untrained.model.state_dict()[name], trained.model.state_dict()[name])
    assert untrained.num_frames == 4


def test_a_folder_without_a_checkpoint(tmp_path, home) -> None:
    with pytest.raises(IbDataError, match=r"expected a checkpoint \(checkpoint.json\), found none"):
        open_answerer(str(tmp_path), home)
    with pytest.raises(IbDataError, match="absent: no such folder"):
        open_answerer(str(tmp_path / "absent"), home)


def test_a_start_folder_that_is_gone_names_the_remedy_and_a_copy_takes_its_place(run, home, tmp_path) -> None:
    checkpoint = moved(run / "step-000060", tmp_path / "step-000060", tmp_path / "gone")
    with pytest.raises(IbDataError, match="gone; name a copy of that folder with --start"):
        open_answerer(str(checkpoint), home)
    copy = toy_folder(tmp_path / "copy")
    assert (
        open_answerer(str(checkpoint), home, start=str(copy)).made_from.split()[0]
        == load(run, home).made_from.split()[0]
    )


def test_a_start_folder_with_other_values_is_an_error(run, home, tmp_path) -> None:
    other = toy_folder(tmp_path / "other", seed=1)
    for start, begun in ((str(other), tmp_path / "gone"), ("", other)):
        name = f"copy-{bool(start)}"
        checkpoint = moved(run / "step-000060", tmp_path / name / "step-000060", begun)
        with pytest.raises(IbDataError, match=r"is not the model that it began from \(expected .*, found") as found:
            open_answerer(str(checkpoint), home, start=start)
        assert "--start" in str(found.value)
        assert "\n" not in str(found.value)


def test_options_of_the_other_kind_of_model_are_errors(run, home) -> None:
    with pytest.raises(IbDataError, match="bos_token is for model folders"):
        open_answerer(str(run), home, bos_token="</s>")
    with pytest.raises(IbDataError, match="start is for checkpoints"):
        open_answerer(str(shared_toy_folder()), home, start="x")
