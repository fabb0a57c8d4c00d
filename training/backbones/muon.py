"""Muon in float32: momentum whose update is made orthogonal by Newton-Schulz steps, matrices of one shape together.

torch.optim.Muon iterates in bfloat16, one matrix at a time: 1.0 s a step of these models on a CPU in place of 0.05 s.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

_STEPS, _COEFFICIENTS, _LEAST = 5, (3.4445, -4.7750, 2.0315), 1e-7


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay, for parameters of two dimensions."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; `closure` must be None."""
        assert closure is None
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for values in group["params"]:
                if values.grad is not None:
                    shapes[values.shape].append(values)
            for shape, same in shapes.items():
                updates = torch.stack([self._momentum(values, group["momentum"]) for values in same])
                rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for values, update in zip(same, orthogonal(updates), strict=True):
                    values.mul_(1.0 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)

    def _momentum(self, values: Tensor, momentum: float) -> Tensor:
        assert values.grad is not None
        state = self.state[values]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(values)
        kept: Tensor = state["momentum"].lerp_(values.grad, 1.0 - momentum)
        return values.grad.lerp(kept, momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest matrices (count, rows, columns) with singular values of about 1."""
    is_tall = matrices.shape[1] > matrices.shape[2]
    found = matrices.transpose(1, 2) if is_tall else matrices
    found = found / (found.norm(dim=(1, 2), keepdim=True) + _LEAST)
    a, b, c = _COEFFICIENTS
    for _ in range(_STEPS):
        gram = found @ found.transpose(1, 2)
        found = torch.baddbmm(found, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found.transpose(1, 2) if is_tall else found
