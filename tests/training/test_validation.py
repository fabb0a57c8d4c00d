"""Validation measures the held-in loss by dataset, and changes nothing of the run."""

import copy
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from toy_models import toy_folder
from toy_training import ToyStream, silent, toy_collator, toy_config, toy_loaded, train_on
from toy_validation import ENDS, NAMES, ToyPass, validated_run

from ib_data.errors import IbDataError
from ib_data.interrupts import Interrupts
from ib_data.training.loop import validation as validation_module
from ib_data.training.loop.losses import TargetLosses
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.validation import Validated, Validation
from ib_data.training.model.forward import image_features, target_losses


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def of_steps(out: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for row in lines(out) if "loss" in row]


def of_validations(out: Path) -> list[dict[str, Any]]:
    return [row for row in lines(out) if "validation" in row]


def validation(ranks: Ranks | None = None, pinned: Any = None, interrupts: Any = None, **changes: Any) -> Validation:
    config = toy_config(validate_every=1, **changes)
    collator = toy_collator(micro_batch_size=config.micro_batch_size)
    ranks = ranks or Ranks(world=1, rank=0, device=torch.device("cpu"))
    return Validation(config, pinned or ToyPass(), collator, ranks, interrupts or Interrupts())


@torch.no_grad()
def expected_losses(model: Any) -> dict[str, float]:
    """The mean over the target tokens of each dataset, in one batch."""
    batch = toy_collator().batch(ToyPass().read_pass())
    found = target_losses(model, batch, image_features(model, batch.pixel_values)).double()
    rows, starts = batch.target_rows, (0, *ENDS)
    return {
        name: float(found[(rows >= first) & (rows < end)].mean())
        for name, first, end in zip(NAMES, starts, ENDS, strict=False)
    }


class Counting(nn.Module):
    """`TargetLosses` that counts its passes."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.inner = TargetLosses(model)
        self.num_passes = 0

    def forward(self, batch: Any) -> Any:
        self.num_passes += 1
        return self.inner(batch)


def test_a_validated_run_has_the_losses_of_one_without(tmp_path: Path) -> None:
    model = str(toy_folder(tmp_path / "model", dropout=0.1))
    train_on(toy_config(model=model), ToyStream(), tmp_path / "without", silent)
    validated_run(toy_config(model=model, validate_every=2), tmp_path / "with")
    assert of_steps(tmp_path / "with") == of_steps(tmp_path / "without")
    weights = [load_file(tmp_path / run / "step-000006" / "trained.safetensors") for run in ("with", "without")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_the_loss_is_the_mean_over_the_target_tokens_of_a_dataset(tmp_path: Path) -> None:
    said: list[str] = []
    validated_run(toy_config(validate_every=3, micro_batch_size=3), tmp_path, say=said.append)
    loaded = toy_loaded()
    trained = load_file(tmp_path / "step-000006" / "trained.safetensors")
    loaded.model.load_state_dict(trained, strict=False)
    loaded.model.eval()
    expected = expected_losses(loaded.model)
    rows = of_validations(tmp_path)
    assert [row["step"] for row in rows] == [3, 6]
    assert rows[-1]["validation"] == pytest.approx(expected, rel=1e-5)
    assert rows[-1]["validation_mean"] == pytest.approx(sum(expected.values()) / 2, rel=1e-5)
    assert rows[0]["validation"] != rows[-1]["validation"]
    text = ", ".join(f"{name} {value:.4f}" for name, value in rows[-1]["validation"].items())
    assert f"validation after step 6: loss {rows[-1]['validation_mean']:.4f} ({text})" in said
    state = json.loads((tmp_path / "step-000006" / "state.json").read_text())["validation"]
    assert state == {"mean": rows[-1]["validation_mean"], "losses": rows[-1]["validation"], "examples": "toy"}


def test_dropout_is_off_and_every_module_returns_to_its_mode(tmp_path: Path) -> None:
    model = toy_loaded_with_dropout(tmp_path)
    losses = TargetLosses(model)
    losses.train()
    losses.model.language_projection.eval()
    modes = [module.training for module in losses.modules()]
    state = torch.get_rng_state()
    first, second = (validation().run(losses) for _ in range(2))
    assert first == second
    assert [module.training for module in losses.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in losses.parameters())


def toy_loaded_with_dropout(tmp_path: Path) -> Any:
    from ib_data.training.model.load import load_model

    return load_model(toy_folder(tmp_path / "dropout", dropout=0.1)).model


class Together:
    """Sums over threads that stand for processes."""

    def __init__(self, world: int) -> None:
        self.barrier = threading.Barrier(world, timeout=60)
        self.given: dict[int, Sequence[float]] = {}

    def sums(self, rank: int, values: Sequence[float]) -> list[float]:
        self.given[rank] = values
        self.barrier.wait()
        total = [sum(column) for column in zip(*(self.given[r] for r in sorted(self.given)), strict=True)]
        self.barrier.wait()
        return total


class ThreadRanks(Ranks):
    """One of several threads that stand for processes."""

    def sums(self, values: Sequence[float]) -> list[float]:
        found: list[float] = self.control.sums(self.rank, values)
        return found


def in_threads(world: int, use: Any) -> list[Any]:
    """`use(ranks)` in each of `world` threads; its result or its exception."""
    together, results = Together(world), [None] * world

    def run(rank: int) -> None:
        ranks = ThreadRanks(world=world, rank=rank, device=torch.device("cpu"), control=together)
        try:
            results[rank] = use(ranks)
        except BaseException as error:
            results[rank] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def copies(count: int) -> list[Any]:
    model = toy_loaded().model
    return [copy.deepcopy(model) for _ in range(count)]


@pytest.mark.parametrize(("world", "micro_batch_size"), [(2, 0), (4, 1)])
def test_the_losses_are_those_of_any_number_of_processes(world: int, micro_batch_size: int) -> None:
    models = copies(world)  # a forward pass sets hooks on its model
    alone = validation().run(TargetLosses(models[0])).losses

    def use(ranks: Ranks) -> tuple[Any, int]:
        own = Counting(models[ranks.rank])
        found = validation(ranks, micro_batch_size=micro_batch_size).run(own)
        return found.losses, own.num_passes

    found = in_threads(world, use)
    assert [result[0] for result in found] == [pytest.approx(alone, rel=1e-5)] * world
    # A language model that is split over the processes would hang otherwise.
    assert len({result[1] for result in found}) == 1


def test_a_process_without_any_example_makes_its_passes_too() -> None:
    models = copies(4)

    def use(ranks: Ranks) -> tuple[Any, int]:
        losses = Counting(models[ranks.rank])
        return validation(ranks, ToyPass(ends=(1, 3))).run(losses), losses.num_passes

    alone = validation(pinned=ToyPass(ends=(1, 3))).run(TargetLosses(models[0])).losses
    found = in_threads(4, use)
    assert [result[0].losses for result in found] == [pytest.approx(alone, rel=1e-5)] * 4
    assert [result[1] for result in found] == [1] * 4


def test_a_signal_to_one_process_stops_all_of_them_before_the_next_batch() -> None:
    models = copies(2)

    def use(ranks: Ranks) -> None:
        interrupts = Interrupts()
        losses = Counting(models[ranks.rank])

        def signalled(number: int) -> None:
            if number == 8 and ranks.rank == 0:
                interrupts.signal = 2

        with pytest.raises(KeyboardInterrupt):
            validation(ranks, ToyPass(before=signalled), interrupts).run(losses)
        assert losses.num_passes == 1  # the batch before the signal

    assert in_threads(2, use) == [None, None]


def test_loading_processes_give_the_same(tmp_path: Path) -> None:
    losses = TargetLosses(toy_loaded().model)
    assert validation(workers=2).run(losses) == validation().run(losses)


def test_a_loss_that_is_not_finite_is_null_and_gives_no_mean(monkeypatch) -> None:
    made = validation()
    monkeypatch.setattr(made, "by_dataset", lambda _losses: [(float("inf"), 3.0), (4.0, 2.0)])
    found = made.run(nn.Identity())
    assert found.row(3) == {"step": 3, "validation": {"first": None, "second": 2.0}, "validation_mean": None}
    assert found.line(3) == "validation after step 3: loss not finite (first not finite, second 2.0000)"
    assert found.state()["mean"] is None


def test_a_dataset_without_any_usable_example_has_no_loss(monkeypatch) -> None:
    made = validation()
    monkeypatch.setattr(made, "by_dataset", lambda _losses: [(0.0, 0.0), (4.0, 2.0)])
    assert made.run(nn.Identity()) == Validated(losses={"first": None, "second": 2.0}, examples="toy")


def test_out_of_gpu_memory_says_which_setting_to_lower(monkeypatch) -> None:
    made = validation()

    def full(_losses: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(made, "by_dataset", full)
    with pytest.raises(IbDataError, match="validation: out of GPU memory; set micro_batch_size lower"):
        made.run(nn.Identity())


def test_a_run_without_validation_opens_no_split(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(validation_module, "pinned_pass", None)
    train_on(toy_config(steps=3), ToyStream(), tmp_path, silent)
    assert not of_validations(tmp_path)
