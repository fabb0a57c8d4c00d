"""A loss or gradient that is not finite stops a whole run with its positions; nothing of the step is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy_training import ToyStream, silent, toy_config, train_on

from ib_data.errors import IbDataError
from ib_data.training.batch.batch import Batch
from ib_data.training.loop import checkpoint, trainer
from ib_data.training.loop.losses import TargetLosses
from ib_data.training.loop.record import require_whole


class Spoiled(TargetLosses):
    """Losses of some positions become `value`; with `gradient_only` their gradients do."""

    def __init__(self, model: Any, positions: set[int], value: float, gradient_only: bool = False) -> None:
        super().__init__(model)
        self.positions, self.value, self.gradient_only = positions, value, gradient_only

    def forward(self, batch: Batch) -> torch.Tensor:
        losses: torch.Tensor = super().forward(batch)
        is_bad = torch.tensor([p in self.positions for p in batch.positions.tolist()])[batch.target_rows]
        if self.gradient_only:
            if is_bad.any():
                losses.register_hook(lambda gradient: torch.where(is_bad, self.value, gradient))
            return losses
        return torch.where(is_bad, self.value, losses)


def run_with(spoiled: dict[str, Any], out: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The error of a run of four steps of eight positions, in two micro-batches of four, saved after two steps."""
    monkeypatch.setattr(trainer, "losses_of", lambda model, *_given: Spoiled(model, **spoiled))
    seen: list[Any] = []
    real = trainer.fresh_run

    def remembered(*given: Any) -> Any:
        seen.append(real(*given))
        return seen[0]

    monkeypatch.setattr(trainer, "fresh_run", remembered)
    config = toy_config(steps=4, save_every=2, micro_batch_size=4)
    with pytest.raises(IbDataError) as error:
        train_on(config, ToyStream(), out, silent)
    saved = load_file(out / "step-000002" / checkpoint.WEIGHTS)
    values = dict(seen[0].model.named_parameters())
    assert all(torch.equal(values[name], value) for name, value in saved.items()), "the step has changed the weights"
    assert require_whole(out / "step-000002").step == 2
    rows = [json.loads(line, parse_constant=pytest.fail) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == [0, 1]
    return str(error.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_positions_of_a_bad_loss_are_named(value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One in each micro-batch of the third step, which has the positions 16 to 23.
    said = run_with({"positions": {17, 22}, "value": value}, tmp_path, monkeypatch)
    assert said.startswith(f"step 2 (positions 16 to 23): the loss is {value} (here from positions 17, 22); ")
    assert f"saved up to step 2 in {tmp_path / 'step-000002'}" in said


def test_the_batch_of_a_bad_gradient_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = run_with({"positions": {22}, "value": float("nan"), "gradient_only": True}, tmp_path, monkeypatch)
    assert said.startswith("step 2 (positions 16 to 23): the loss is ")
    assert "the gradient of " in said
    assert "is not finite; try a lower learning_rate" in said
