"""Seconds, memory, and the matrix ceiling that they are compared with."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ib_data.training.batch.batch import StepBatch
from train_loops.loops import Loop


@dataclass(slots=True)
class Budget:
    """Seconds until `deadline` on the monotonic clock, and the parts that no longer fitted."""

    deadline: float
    skipped: list[str] = field(default_factory=list)

    def allows(self, part: str, seconds: float) -> bool:
        """Whether a part of about that many seconds still fits; if not, it is noted as skipped."""
        is_allowed = time.monotonic() + seconds <= self.deadline
        if not is_allowed:
            self.skipped.append(part)
        return is_allowed


def clock(device: torch.device) -> float:
    """Seconds: of the wall once CUDA has done its work; on a CPU the processor's, so that other load does not count."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def matrix_ceiling(device: torch.device, dtype: torch.dtype) -> float:
    """The highest FLOP/s of a square matrix product of `dtype`, over some repetitions.

    Not `ib_data.training.estimate.ceiling`, which takes the wall clock: shares of a ceiling need the same clock. The
    values are random, since a GPU draws less power for equal ones and runs faster.
    """
    side, repetitions = (8192, 10) if device.type == "cuda" else (1024, 2)
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(5):
        began = clock(device)
        for _ in range(repetitions):
            a @ b
        seconds.append((clock(device) - began) / repetitions)
    return 2 * side**3 / min(seconds)


@dataclass(slots=True)
class Timing:
    """Rounds of one loop: seconds and annotations a step, the share of waiting for data, and the peak bytes on CUDA."""

    step_s: list[float] = field(default_factory=list)
    annotations: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    def values(self) -> dict[str, Any]:
        """Medians and spread over the rounds."""
        rates = [n / s for n, s in zip(self.annotations, self.step_s, strict=True)]
        return {
            "samples_per_s": round(statistics.median(rates), 2),
            "lowest": round(min(rates), 2),
            "highest": round(max(rates), 2),
            "step_ms": round(1000 * statistics.median(self.step_s), 2),
            "waiting_share": round(statistics.median(self.waited), 4),
            "peak_memory_gib": round(self.peak_bytes / 2**30, 2) if self.peak_bytes else None,
            "rounds": len(rates),
        }


def run_round(loop: Loop, batches: Iterator[StepBatch], num_steps: int, device: torch.device, into: Timing) -> None:
    """Time `num_steps` steps."""
    loop.enter()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    waited, annotations = 0.0, 0
    entered, began = time.perf_counter(), clock(device)
    for _ in range(num_steps):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        annotations += sum(map(len, batch.micro))
        loop.step(batch)
    elapsed = clock(device) - began
    into.step_s.append(elapsed / num_steps)
    into.annotations.append(annotations / num_steps)
    into.waited.append(waited / (time.perf_counter() - entered))
    if device.type == "cuda":
        into.peak_bytes = max(into.peak_bytes, torch.cuda.max_memory_allocated(device))


def interleaved(
    runs: dict[str, tuple[Loop, Callable[[], Iterator[StepBatch]]]],
    rounds: int,
    round_s: float,
    device: torch.device,
    allows: Callable[[str, float], bool],
) -> dict[str, Timing]:
    """Rounds of about `round_s` seconds of each run in turn, after a warm-up, as far as `allows` gives time."""
    found = {name: Timing() for name in runs}
    steps, streams = {}, {name: batches() for name, (_, batches) in runs.items()}
    for name, (loop, _) in runs.items():
        warm = Timing()
        run_round(loop, streams[name], 1, device, warm)
        run_round(loop, streams[name], 1, device, warm)
        steps[name] = max(1, min(100, round(round_s / warm.step_s[-1])))
    for number in range(rounds):
        if number and not allows(f"round {number + 1} of {', '.join(runs)}", round_s * len(runs)):
            break
        for name, (loop, _) in runs.items():
            run_round(loop, streams[name], steps[name], device, found[name])
    return found


@contextmanager
def compiled_blocks(model: Any) -> Iterator[None]:
    """In the block, each transformer block of `model` is compiled; blocks of a kind share their code."""
    blocks = [block for block in model.modules() if isinstance(block, nn.ModuleList)]
    inner = [
        block for many in blocks for block in many if not any(isinstance(m, nn.ModuleList) for m in block.modules())
    ]
    for block in inner:
        block.compile()
    try:
        yield
    finally:
        for block in inner:
            block._compiled_call_impl = None
        torch._dynamo.reset()


def repeated(batches: Sequence[StepBatch]) -> Callable[[], Iterator[StepBatch]]:
    """The same batches for ever."""

    def endless() -> Iterator[StepBatch]:
        while True:
            yield from batches

    return endless
