"""The number of processes and of micro-batches changes neither the losses nor the gradients."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torchrun import torchrun
from toy_models import shared_toy_folder
from toy_training import ToyStream, silent, toy_config, train_on

from ib_data.errors import IbDataError
from ib_data.training.loop.ranks import Ranks

FAMILIES = ("llama", "t5")
CHANGES: dict[str, Any] = {"steps": 20, "batch_size": 8, "save_every": 10, "warmup_steps": 2, "learning_rate": 1e-3}


# What a name ends in -> changes: a whole run, and one of a single step.
FIRST: dict[str, dict[str, Any]] = {"": {}, "-first": {"steps": 1, "warmup_steps": 0}}


def changes(family: str, **more: Any) -> dict[str, Any]:
    return {**CHANGES, "model": str(shared_toy_folder(family)), **more}


def logged(out: Path) -> list[float]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def first_gradients(out: Path) -> dict[str, torch.Tensor]:
    """Those of step 0: AdamW's first moment is a tenth of them."""
    moments = load_file(out.with_name(f"{out.name}-first") / "step-000001" / "optimizer.safetensors")
    return {name: 10 * value for name, value in moments.items() if name.endswith(":exp_avg")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each family: 1 x 8, 1 x 2 x accumulation 4, 2 x 4, and 2 x 4 with the language model split over both."""
    root = tmp_path_factory.mktemp("ranks")
    two = []
    for family in FAMILIES:
        for name, more in (("one", {}), ("micro", {"micro_batch_size": 2})):
            for suffix, first in FIRST.items():
                made = toy_config(**changes(family, **more, **first))
                train_on(made, ToyStream(), root / f"{family}-{name}{suffix}", silent)
        for name, more in (("two", {}), ("sharded", {"shard_language_model": True})):
            two += [
                (root / f"{family}-{name}{suffix}", changes(family, **more, **first)) for suffix, first in FIRST.items()
            ]
    done = torchrun(2, two)
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("other", ["micro", "two", "sharded"])
def test_the_losses_of_twenty_steps_are_the_same(runs: Path, family: str, other: str) -> None:
    one, many = logged(runs / f"{family}-one"), logged(runs / f"{family}-{other}")
    assert len(one) == 20
    assert max(abs(a - b) for a, b in zip(one, many, strict=True)) < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("other", ["micro", "two", "sharded"])
def test_the_gradients_of_the_first_step_are_the_same(runs: Path, family: str, other: str) -> None:
    one, many = first_gradients(runs / f"{family}-one"), first_gradients(runs / f"{family}-{other}")
    assert one.keys() == many.keys()
    assert max(float((one[name] - many[name]).abs().max()) for name in one) < 1e-6
    assert max(float(value.abs().max()) for value in one.values()) > 1e-3


def test_a_run_of_two_processes_goes_on_in_one(runs: Path, tmp_path: Path) -> None:
    """The position in the stream is the same for every world size."""
    shutil.copytree(runs / "llama-two", tmp_path / "run", ignore=shutil.ignore_patterns("step-000020"))
    train_on(toy_config(**changes("llama")), ToyStream(), tmp_path / "run", silent)
    straight, resumed = logged(runs / "llama-one"), logged(tmp_path / "run")
    assert max(abs(a - b) for a, b in zip(straight, resumed, strict=True)) < 1e-5


def test_a_batch_that_the_processes_cannot_share_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(IbDataError, match="batch_size=8 cannot be shared by 3 processes; set batch_size=9"):
        train_on(toy_config(**changes("llama")), ToyStream(), tmp_path / "run", silent)
    assert not (tmp_path / "run").exists()


def test_a_model_is_not_split_for_a_single_process(tmp_path: Path) -> None:
    with pytest.raises(IbDataError, match="shard_language_model=true needs several processes"):
        train_on(toy_config(shard_language_model=True), ToyStream(), tmp_path / "run", silent)


def test_when_a_process_dies_all_end_and_the_steps_before_are_saved(tmp_path: Path) -> None:
    # Position 38 is in the second half of step 4: the second process dies, the first one waits for it.
    began = time.monotonic()
    done = torchrun(2, [(tmp_path / "run", changes("llama"))], die_at=38)
    assert done.returncode != 0
    assert time.monotonic() - began < 120
    assert "another process of the run has ended" in done.stderr
    assert "saved up to step 4" in done.stderr
    assert (tmp_path / "run" / "step-000004").is_dir()


def test_when_a_process_fails_inside_a_step_the_other_names_it_and_saves(tmp_path: Path) -> None:
    # The gradients of step 5 never come: the second process runs out of memory in its forward pass.
    done = torchrun(2, [(tmp_path / "run", changes("llama"))], fail_at=44)
    assert done.returncode != 0
    assert "out of GPU memory; set micro_batch_size below 4, and resume" in done.stderr
    assert "another process of the run has ended" in done.stderr
    assert "RuntimeError" not in done.stderr
    assert (tmp_path / "run" / "step-000005").is_dir()


def test_processes_that_see_other_checkpoints_do_not_train(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = Ranks(world=2, rank=1, device=torch.device("cpu"))
    sums = iter([[3.0], [3.0]])  # the first process is at step 3; the distances of both are 0 and 3
    monkeypatch.setattr(Ranks, "sums", lambda _self, _values: next(sums))
    with pytest.raises(IbDataError, match=r"do not see the same checkpoint \(this one 0, the first 3\); give all of"):
        ranks.require_same(0, "checkpoint", "give all of them the same folder")
