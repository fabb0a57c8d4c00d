"""Every dataset of the miniature, scored by its card's protocol: right answers, and the verb with a tiny model."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from miniature_home import build_miniature, protocols, write_tiny_model

from ib_data.cards import load_card
from ib_data.evaluation.answering import Ranking
from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.run.asking import ranked
from ib_data.evaluation.run.cases import CaseMaker
from ib_data.evaluation.run.prediction_files import PREDICTIONS
from ib_data.evaluation.run.vocabulary import vocabulary_of
from ib_data.evaluation.scoring.golds import counted, references
from ib_data.evaluation.scoring.scored import scored
from ib_data.home import Home
from ib_data.stored.built_split import open_built
from ib_data.stored.store import LocalStore
from ib_data.templates.renderer import Renderer

PROTOCOLS = {protocol.dataset: protocol for protocol in protocols()}
NUMBER = 3
# What the best answer to a question with k equal ones of all its annotators is worth, at least.
BEST = {
    "vqa-accuracy": lambda k: ((10 - k) * min(k / 3, 1) + k * min((k - 1) / 3, 1)) / 10,
    "aokvqa-accuracy": lambda k: min(k / 3, 1),
    "ivqa-accuracy": lambda k: min(k / 2, 1),
}


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("all"))
    build_miniature(home, 20)
    return home


def cases_of(home: Home, protocol: Protocol) -> list[Case]:
    card = load_card(protocol.dataset)
    store = LocalStore(home)
    words = vocabulary_of(store, card, protocol.vocabulary_least) if protocol.candidates == "vocabulary" else ()
    maker = CaseMaker(card=card, protocol=protocol, renderer=Renderer(), vocabulary=words)
    return maker.cases(open_built(store, card.stored_as, protocol.split))


def right_answer(protocol: Protocol, case: Case) -> str:
    """The answer of most annotators, the label, or the first reference."""
    first = case.annotations[0]
    if first.answers and not protocol.verbalisers and load_card(protocol.dataset).task != "question_generation":
        return max(first.answers, key=lambda answer: answer.count).text
    return references(protocol, case)[0]


def right(protocol: Protocol, case: Case) -> Prediction:
    """What a model would give that knows the answer: through the ranking, if candidates are ranked."""
    if protocol.method == "generate":
        return Prediction(id=case.id, answer=right_answer(protocol, case))
    first = case.annotations[0]
    if protocol.candidates == "options":
        wanted = {first.options[first.answer_index or 0]}
    elif protocol.candidates == "verbalisers":
        wanted = set(protocol.verbalisers[first.label or ""])
    else:
        wanted = {right_answer(protocol, case)}
    sums = np.array([0.0 if text in wanted else -9.0 for text in case.candidates])
    ones = np.ones(len(sums), np.int64)
    return ranked(protocol, case, Ranking(sums=sums, num_tokens=ones, num_bytes=ones))


def scores_of(protocol: Protocol, cases: Sequence[Case], predictions: Sequence[Prediction]) -> Scores:
    return scored(protocol, cases, {one.id: one for one in predictions}).scores


@pytest.mark.parametrize("name", PROTOCOLS)
def test_right_answers_have_the_highest_score(mini: Home, name: str) -> None:
    protocol = PROTOCOLS[name]
    cases = cases_of(mini, protocol)
    assert cases
    assert not any(case.fault for case in cases)
    predictions = [right(protocol, case) for case in cases]
    found = scores_of(protocol, cases, predictions)
    if protocol.metric in BEST:
        most = [max(counted(case).values()) for case in cases]
        least = np.array([BEST[protocol.metric](number) for number in most])
        assert (found.values >= least - 1e-12).all()
        assert found.score > 0.5
    elif protocol.metric == "cider":
        exchanged = [
            replace(one, answer=other.answer)
            for one, other in zip(predictions, [*predictions[1:], predictions[0]], strict=True)
        ]
        assert found.score > 1.5 * scores_of(protocol, cases, exchanged).score
    elif protocol.candidates == "vocabulary":  # an answer outside the vocabulary cannot be right
        known = [case.annotations[0].answers[0].text in case.candidates for case in cases]
        assert found.values.tolist() == [float(is_known) for is_known in known]
        assert any(known)
    else:
        assert found.score == pytest.approx(1.0, abs=1e-12)


@pytest.fixture(scope="module")
def model(mini: Home) -> Iterator[Path]:
    """A model folder. Threads of a model this small only wait for each other where tests run side by side."""
    import torch

    folder, threads = mini.root / "models" / "tiny", torch.get_num_threads()
    torch.set_num_threads(1)
    write_tiny_model(folder)
    yield folder
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def run(mini: Home, model: Path) -> tuple[Path, dict[str, Any]]:
    """The folder and the JSON of `evaluate all` with a part of each dataset."""
    from ib_data.cli import group

    out = mini.root / "run"
    found = CliRunner().invoke(group, [*words(mini, model, out), "--json"])
    assert found.exit_code == 0, found.output
    return out, json.loads(found.stdout)


def words(home: Home, model: Path, out: Path) -> list[str]:
    names = ["evaluate", "all", "--model", str(model), "-n", str(NUMBER), "--out", str(out)]
    return [*names, "--max-new-tokens", "10", "--min-new-tokens", "0", "--num-beams", "2", "--home", str(home.root)]


def test_every_dataset_has_a_score_by_its_card(run: tuple[Path, dict[str, Any]]) -> None:
    folder, report = run
    assert report["datasets"].keys() == PROTOCOLS.keys()
    page = (folder / "report.html").read_text()
    for name, found in report["datasets"].items():
        protocol = PROTOCOLS[name]
        assert found["score"] is not None, name
        assert found["counts"]["cases"] == NUMBER, name
        assert found["counts"]["failed"] == 0, name
        assert [found[key] for key in ("split", "method", "metric", "profile")] == [
            getattr(protocol, key) for key in ("split", "method", "metric", "profile")
        ]
        prompt = Renderer().zero_shot(load_card(name))
        assert found["prompt"] == (prompt.text if prompt else f"templates of {load_card(name).task}")
        assert len((folder / name / "examples.jsonl").read_text().splitlines()) == NUMBER
        assert f">{name}" in page
    assert json.loads((folder / "report.json").read_text())["datasets"].keys() == PROTOCOLS.keys()


def test_the_same_command_asks_nothing_again(
    run: tuple[Path, dict[str, Any]], mini: Home, model: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ib_data.training.answering import ModelAnswers

    def asked(*_given: Any, **_more: Any) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(ModelAnswers, "generate", asked)
    monkeypatch.setattr(ModelAnswers, "rank", asked)
    folder, report = run
    found = cli(*words(mini, model, folder), "--json")
    assert found.code == 0, found.err
    assert json.loads(found.out) == report


@pytest.mark.parametrize("name", PROTOCOLS)
def test_scoring_the_predictions_gives_the_score_of_the_run(
    run: tuple[Path, dict[str, Any]], mini: Home, name: str, cli: Any
) -> None:
    folder, report = run
    found = cli(
        "score", name, folder / name / PREDICTIONS, "-n", NUMBER, "--split", PROTOCOLS[name].split, "--json",
        "--home", mini.root,
    )  # fmt: skip
    assert found.code == 0, found.err
    values = json.loads(found.out)
    assert values["score"] == report["datasets"][name]["score"]
    assert values["counts"] == report["datasets"][name]["counts"]


def test_two_processes_with_exchanged_images_write_the_file_of_one(
    mini: Home, model: Path, tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torchrun sets for its processes, set here for two runs one after the other; the first one waits for none."""
    given = ["gqa", "vsr", "--shuffle-images", "--batch-size", "2"]
    for out in ("one", "two"):
        for rank in (0,) if out == "one" else (1, 0):
            if out == "two":
                monkeypatch.setenv("WORLD_SIZE", "2")
                monkeypatch.setenv("RANK", str(rank))
            named = words(mini, model, tmp_path / out)
            assert cli(named[0], *given, *named[2:]).code == 0
    for name in ("gqa", "vsr", "shuffled-0/gqa", "shuffled-0/vsr"):
        one, two = (
            [json.loads(line) for line in (tmp_path / out / name / PREDICTIONS).read_text().splitlines()]
            for out in ("one", "two")
        )
        assert [line["id"] for line in one] == [line["id"] for line in two]
        assert [line["answer"] for line in one] == [line["answer"] for line in two]
    shuffled = json.loads((tmp_path / "two" / "report.json").read_text())["datasets"]["gqa"]["shuffled"]
    assert shuffled["seed"] == 0
