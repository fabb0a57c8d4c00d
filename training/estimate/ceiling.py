"""The matrix ceiling of this machine: what a large square product reaches, against which a step is measured."""

import time

import torch

_SIDES = (256, 512, 1024, 2048, 4096, 8192)
_BUDGET_S = 0.6
_REPEATS = 3


def matrix_ceiling(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs a second of the fastest square matrix product of this dtype on the device, measured in under a second.

    Takes ever larger matrices as long as the next one, eight times the work, fits into the time that is left. The
    values are random: a GPU draws less power for equal ones and runs faster.
    """
    began, best = time.perf_counter(), 0.0
    for side in _SIDES:
        if best and 2 * side**3 * (_REPEATS + 1) / best > _BUDGET_S - (time.perf_counter() - began):
            break
        a, b = (_random(side, device, dtype) for _ in range(2))
        a @ b  # the first product of a size also loads and tunes kernels
        _wait(device)
        for _ in range(_REPEATS):
            before = time.perf_counter()
            a @ b
            _wait(device)
            best = max(best, 2 * side**3 / (time.perf_counter() - before))
    return best


def _random(side: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """A matrix of values from 0 to 1; without torch's own random state, which a run continues from."""
    generator = torch.Generator(device).manual_seed(0)
    return torch.rand(side, side, dtype=dtype, device=device, generator=generator)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
