"""Several processes share the questions of a scoring and agree on its result."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from test_validation import in_threads
from torchrun import started
from toy_models import shared_toy_folder
from toy_scoring import run_scored, score_rows, scored_config, scored_home
from toy_training import toy_config

from ib_data.home import Home
from ib_data.interrupts import Interrupts
from ib_data.training.loop.asked_parts import AskedParts
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.scoring import Scoring

# A split T5 is the hardest: generation calls its encoder by itself.
RUNS = (("llama", "two", {}), ("t5", "sharded", {"shard_language_model": True}))
SMALL = {"names": ("vqav2", "llava_detail"), "score_every": 2}


def changes(family: str, **more: Any) -> dict[str, Any]:
    return {**SMALL, "model": str(shared_toy_folder(family)), **more}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, build_split, jpeg_of) -> Path:
    """Runs in one process, in two, and with a language model that two share."""
    root: Path = tmp_path_factory.mktemp("runs")
    home = scored_home(Home(root / "home"), build_split, jpeg_of)
    two = []
    for family, name, more in RUNS:
        run_scored(scored_config(root / "spec", **changes(family)), home, root / f"{family}-one")
        two.append((str(root / f"{family}-{name}"), changes(family, **more)))
    done = started(2, "toy_scoring.py", str(home.root), json.dumps(two))
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.parametrize(("family", "other"), [run[:2] for run in RUNS])
def test_the_scores_of_several_processes_are_those_of_one(runs: Path, family: str, other: str) -> None:
    (one,), (many,) = score_rows(runs / f"{family}-one"), score_rows(runs / f"{family}-{other}")
    assert many["num_failed"] == {"vqav2": 0, "llava_detail": 0}
    for name, scores in one["scores"].items():
        assert many["scores"][name] == pytest.approx(scores, rel=1e-4)


def test_every_process_gets_the_texts_of_all() -> None:
    texts = ["", "Z\N{LATIN SMALL LETTER U WITH DIAERESIS}rich \N{SNOWMAN}", '[{"id": "1"}]']
    assert in_threads(3, lambda ranks: ranks.gathered(texts[ranks.rank])) == [texts] * 3
    assert Ranks(world=1, rank=0, device=torch.device("cpu")).gathered(texts[1]) == [texts[1]]


def test_a_signal_to_one_process_stops_all_of_them_before_the_next_batch() -> None:
    def use(ranks: Ranks) -> str:
        interrupts = Interrupts()
        interrupts.signal = 2 if ranks.rank else None
        asked = AskedParts(parts=[], missing={})
        made = Scoring(toy_config(score_every=1), Home("unused"), asked, None, ranks, interrupts)  # type: ignore[arg-type]
        try:
            made._stop_together()
        except KeyboardInterrupt:
            return "stopped"
        return "continued"

    assert in_threads(2, use) == ["stopped", "stopped"]
