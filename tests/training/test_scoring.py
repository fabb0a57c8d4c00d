"""A run is scored by the metrics of its datasets on pinned questions, and trains as one that is not."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from format_page import check_keys, example, table
from safetensors.torch import load_file
from toy_models import toy_folder
from toy_scoring import mixture, run_scored, score_rows, scored_config, scored_home
from toy_training import silent

from ib_data.cards import load_card
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.run.asking import Asker
from ib_data.evaluation.run.run import Run
from ib_data.home import Home
from ib_data.interrupts import Interrupted
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.stored.store import LocalStore
from ib_data.templates.library import PACKAGED
from ib_data.templates.renderer import Renderer
from ib_data.training.answering import ModelAnswers
from ib_data.training.generation.opened import open_answerer
from ib_data.training.loop import scoring
from ib_data.training.loop.asked_parts import AskedParts, asked_parts, protocols_of
from ib_data.training.loop.scoring import HeldInScores

TITLE = "Scores in `log.jsonl`"
METRICS = {
    "vqav2": {"vqa-accuracy"},
    "vqav2_qg": {"cider", "exact match"},
    "coco_caption": {"cider"},
    "llava_detail": {"rouge-l", "token-loss"},
}


@pytest.fixture(scope="module")
def held_in(tmp_path_factory: pytest.TempPathFactory, build_split, jpeg_of) -> Home:
    return scored_home(Home(tmp_path_factory.mktemp("scored")), build_split, jpeg_of)


@pytest.fixture(scope="module")
def straight(held_in: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run with dropout, scored after both steps, and what it said."""
    root = tmp_path_factory.mktemp("straight")
    said: list[str] = []
    model = str(toy_folder(root / "model", dropout=0.1))
    run_scored(scored_config(root / "spec", model=model), held_in, root / "run", said.append)
    return root / "run", said


def losses(out: Path) -> list[float]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def without_time(out: Path) -> list[dict[str, Any]]:
    return [{**row, "scoring_s": 0.0} for row in score_rows(out)]


def parts_of(home: Home, folder: Path, names: tuple[str, ...], number: int) -> AskedParts:
    return asked_parts(LocalStore(home), load_mixture(mixture(folder, *names)), number, None)


def test_every_member_has_its_metric(straight: tuple[Path, list[str]]) -> None:
    out, said = straight
    first, second = score_rows(out)
    assert (first["step"], second["step"]) == (1, 2)
    for row in (first, second):
        assert {name: set(values) for name, values in row["scores"].items()} == METRICS
        assert row["num_cases"] == dict.fromkeys(METRICS, 3)
        assert row["num_failed"] == dict.fromkeys(METRICS, 0)
        assert row["training_data"] == ["llava_detail"]
    # Those of the weights after each step.
    assert first["scores"]["llava_detail"]["token-loss"] > second["scores"]["llava_detail"]["token-loss"] > 0
    state = json.loads((out / "step-000002" / "state.json").read_text())["scores"]
    assert state["scores"] == second["scores"]
    (line,) = (line for line in said if line.startswith("scores after step 2: "))
    assert "llava_detail (training data) rouge-l " in line


def test_the_scores_are_those_of_an_evaluation_of_the_checkpoint(
    held_in: Home, straight: tuple[Path, list[str]], tmp_path: Path
) -> None:
    checkpoint = straight[0] / "step-000002"
    run = Run(
        model=ModelAnswers(open_answerer(str(checkpoint), held_in, device="cpu"), "toy", held_in),
        store=LocalStore(held_in),
        folder=tmp_path,
        renderer=Renderer(PACKAGED),
        batch_size=2,
        number=3,
        decoding={"num_beams": 2, "max_new_tokens": 4},
    )
    expected = score_rows(straight[0])[1]["scores"]["llava_detail"]
    for method, metric in (("rank", "token-loss"), ("generate", "rouge-l")):
        protocol = protocol_of(load_card("llava_detail"), method=method)
        found = replace(run, folder=tmp_path / method).evaluate(protocol)
        assert found is not None
        assert found.scores.score == pytest.approx(expected[metric], rel=1e-5)


def test_each_of_the_papers_held_in_sets_has_a_metric() -> None:
    found = {
        card.name: [protocol.metric for protocol in protocols_of(card, protocol_of(card).split)]
        for card in map(load_card, load_mixture("instructblip").names)
    }
    captions = ("coco_caption", "web_capfilt", "textcaps", "vqav2_qg", "okvqa_qg", "aokvqa_qg")
    llava = ("llava_conversation", "llava_detail", "llava_reasoning")
    answers = {"vqav2": ["vqa-accuracy"], "okvqa": ["vqa-accuracy"], "aokvqa": ["aokvqa-accuracy"]}
    texts = {name: ["cider"] for name in captions} | {name: ["rouge-l", "token-loss"] for name in llava}
    assert found == {**texts, **answers, "ocrvqa": ["accuracy"]}


def test_members_that_are_not_scored_are_named_once(straight: tuple[Path, list[str]]) -> None:
    notes = [line for line in straight[1] if line.startswith("scored on")]
    assert notes == [
        "scored on vqav2, vqav2_qg, coco_caption, llava_detail; not on others (validation split not built: okvqa)",
        "scored on training data, since they have no other split: llava_detail",
    ]


def test_a_scored_run_has_the_losses_and_weights_of_one_without(
    held_in: Home, straight: tuple[Path, list[str]], tmp_path: Path
) -> None:
    model = str(straight[0].parent / "model")
    state = torch.get_rng_state()
    run_scored(scored_config(tmp_path / "spec", model=model, score_every=0), held_in, tmp_path / "without")
    assert torch.equal(torch.get_rng_state(), state)
    assert score_rows(tmp_path / "without") == []
    assert losses(tmp_path / "without") == losses(straight[0])
    weights = [load_file(run / "step-000002" / "trained.safetensors") for run in (straight[0], tmp_path / "without")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_a_signal_in_a_scoring_stops_it_and_it_is_repeated(
    held_in: Home, straight: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = scored_config(tmp_path / "spec", model=str(straight[0].parent / "model"))
    real, left = Asker.predictions, [signal.SIGINT]

    def signalled(self: Any, *given: Any) -> Any:
        if left:
            os.kill(os.getpid(), left.pop())
        return real(self, *given)

    monkeypatch.setattr(Asker, "predictions", signalled)
    with pytest.raises(Interrupted, match="interrupted; saved up to step 1 in"):
        run_scored(config, held_in, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "step-000001" / "state.json").read_text())["scores"] == {}
    assert run_scored(config, held_in, tmp_path / "run").num_new_steps == 1
    assert without_time(tmp_path / "run") == without_time(straight[0])
    assert losses(tmp_path / "run") == losses(straight[0])
    # Nothing is left to do.
    monkeypatch.setattr(scoring.Scoring, "run", None)
    assert run_scored(config, held_in, tmp_path / "run").num_new_steps == 0


def test_the_questions_are_pinned_and_a_larger_part_includes_a_smaller_one(held_in: Home, tmp_path: Path) -> None:
    names = ("vqav2", "coco_caption")
    few, again, more = (parts_of(held_in, tmp_path, names, number) for number in (3, 3, 5))
    assert few.fingerprint() == again.fingerprint() != more.fingerprint()
    for own, same, larger in zip(few.parts, again.parts, more.parts, strict=True):
        assert own.cases == same.cases
        assert {case.id for case in own.cases} < {case.id for case in larger.cases}
    assert few.parts[0].built.split == "validation"
    assert few.parts[1].built.split == "test"
    # A case of captions is an image with all of them.
    assert [len(case.annotations) for case in few.parts[1].cases] == [2, 2, 2]


def test_a_split_that_the_mixture_trains_on_is_only_asked_about_if_there_is_no_other(
    tmp_path: Path, build_split, jpeg_of
) -> None:
    home = Home(tmp_path / "home")
    for dataset, split in (("coco_caption", "validation"), ("coco_caption", "test"), ("llava_detail", "train")):
        build_split(home, dataset, 4, split, picture=jpeg_of)
    file = Path(mixture(tmp_path, "coco_caption", "llava_detail"))
    file.write_text(file.read_text().replace('"coco_caption"\nsplit = "train"', '"coco_caption"\nsplit = "test"'))
    found = asked_parts(LocalStore(home), load_mixture(str(file)), 2, None)
    assert [(part.built.split, part.is_trained_on) for part in found.parts] == [
        ("validation", False), ("train", True), ("train", True),
    ]  # fmt: skip
    assert found.names(is_trained_on=True) == ["llava_detail"]


def test_a_mixture_that_cannot_be_scored_says_so_and_trains(held_in: Home, tmp_path: Path) -> None:
    said: list[str] = []
    config = scored_config(tmp_path / "spec", ("okvqa",))
    assert run_scored(config, held_in, tmp_path / "run", said.append).num_new_steps == 2
    assert said.count("the run is not scored, since no member can be (validation split not built: okvqa)") == 1
    assert score_rows(tmp_path / "run") == []


def test_what_could_not_be_answered_counts_as_wrong_and_is_said() -> None:
    found = HeldInScores(
        scores={"vqav2": {"vqa-accuracy": 0.5}, "okvqa": {"vqa-accuracy": None}},
        num_cases={"vqav2": 4, "okvqa": 2},
        num_failed={"vqav2": 1, "okvqa": 2},
        training_data=["okvqa"],
        questions="toy",
        seconds=1.5,
    )
    words = "vqav2 vqa-accuracy 50.00 (1 of 4 failed); okvqa (training data) vqa-accuracy unknown (2 of 2 failed)"
    assert found.line(3) == f"scores after step 3: {words}"
    assert found.points() == {"scores/vqav2/vqa-accuracy": 0.5, "scores/okvqa (training data)/vqa-accuracy": None}


def test_the_page_names_what_a_scoring_writes(straight: tuple[Path, list[str]]) -> None:
    for found in (score_rows(straight[0])[0], example(TITLE)):
        assert set(found) == set(table(TITLE))
        check_keys(found, TITLE)
    state = json.loads((straight[0] / "step-000002" / "state.json").read_text())
    assert "scores" in table("`state.json`")
    assert set(state["scores"]) == set(example("`state.json`")["scores"])


def test_a_run_without_scoring_asks_nothing(held_in: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "asked_parts", None)
    run_scored(scored_config(tmp_path / "spec", ("okvqa",), score_every=0, steps=2), held_in, tmp_path / "run", silent)
