"""The gradients of one optimiser step: forward and backward of its micro-batches, and the global mean."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ib_data.keyed import keyed_bits
from ib_data.tasks import TASKS
from ib_data.training.batch.batch import Batch, StepBatch
from ib_data.training.loop.ranks import Ranks
from ib_data.training.model.parts import autocast


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What the gradients of a step gave, over all processes.

    `loss` is the mean over its target tokens; `task_losses` the same per task group that occurs. `gradient_norm` is the
    2-norm of all gradients. `fault` says what is not finite, with the positions that caused it.
    """

    loss: float
    task_losses: dict[str, float]
    num_targets: int
    gradient_norm: float
    fault: str | None


def step_gradients(
    losses: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: StepBatch,
    ranks: Ranks,
    *,
    num_targets: int,
    learning_rate: float,
    dtype: torch.dtype,
    seed: int,
    step: int,
) -> StepResult:
    """Leave the gradients of step `step` over a batch in the parameters; the weights are unchanged.

    `num_targets` counts the target tokens of all processes. The loss is the mean over these, so it does not depend on
    the number of processes or micro-batches, but for what dropout leaves out.
    """
    # A seed per step, not a running generator: dropout follows from (seed, step, rank), so resuming needs no state.
    torch.manual_seed(keyed_bits(seed, "training.dropout", step, ranks.rank) % 2**63)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad(set_to_none=True)
    table = torch.zeros(2, len(TASKS), dtype=torch.float64, device=ranks.device)
    rows: list[tuple[Batch, Tensor]] = []
    for number, micro in enumerate(batch.micro):
        micro = micro.to(ranks.device)
        is_last = number == len(batch.micro) - 1
        wait = nullcontext() if is_last or ranks.world == 1 else losses.no_sync()  # type: ignore[operator]
        with wait:
            with autocast(dtype, ranks.device):
                found = losses(micro)
            # The average over processes divides by their number.
            (found.sum() * (ranks.world / num_targets)).backward()
        rows.append((micro, found.detach()))
        tasks = micro.tasks[micro.target_rows]
        table[0].index_add_(0, tasks, found.detach().double())
        table[1].index_add_(0, tasks, torch.ones_like(found, dtype=torch.float64))
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients).double()
    *own, gradient_norm = torch.cat([table.flatten(), norm.view(1)]).tolist()  # synchronises with the device once
    sums = ranks.sums(own)
    by_task, counts = sums[: len(TASKS)], sums[len(TASKS) :]
    loss = sum(by_task) / num_targets
    fault = _fault(loss, gradient_norm, gradients, rows, losses)
    means = {name: a / b for name, a, b in zip(TASKS, by_task, counts, strict=True) if b}
    return StepResult(loss=loss, task_losses=means, num_targets=num_targets, gradient_norm=gradient_norm, fault=fault)


def _fault(
    loss: float, norm: float, gradients: list[Any], rows: list[tuple[Batch, Tensor]], losses: nn.Module
) -> str | None:
    """Which of loss and gradients is not finite, in words, or None if all are."""
    if not torch.tensor(loss).isfinite():
        bad = sorted({p for batch, found in rows for p in _positions(batch, found)})
        where = f" (here from positions {', '.join(map(str, bad))})" if bad else " (from another process)"
        return f"the loss is {loss}{where}"
    # Squares of finite float32 values may be infinite: then the largest value decides.
    if torch.tensor(norm).isfinite() or bool(nn.utils.get_total_norm(gradients, norm_type=float("inf")).isfinite()):
        return None
    name = next(
        (name for name, p in losses.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())),
        "a parameter",
    )
    return (
        f"the loss is {loss:.4f}, the gradient of {name.removeprefix('module.').removeprefix('model.')} is not finite"
    )


def _positions(batch: Batch, found: Tensor) -> list[int]:
    """The positions of the annotations whose losses are not finite."""
    rows = batch.target_rows[~found.isfinite()]
    positions: list[int] = batch.positions[rows].tolist()
    return positions
