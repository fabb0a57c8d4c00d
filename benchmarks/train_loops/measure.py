"""Seconds, memory, and the matrix ceiling that they are compared with."""

import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import torch

from ib_data.mixtures.loader.loader import StreamLoader
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
            "annotations_per_step": round(statistics.mean(self.annotations), 2),
            "waiting_share": round(statistics.median(self.waited), 4),
            "peak_memory_gib": round(self.peak_bytes / 2**30, 2) if self.peak_bytes else None,
            "rounds": len(rates),
        }


def annotations_of(batch: StepBatch) -> int:
    """The annotations of a step."""
    return sum(map(len, batch.micro))


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
        annotations += annotations_of(batch)
        loop.step(batch)
    elapsed = clock(device) - began
    into.step_s.append(elapsed / num_steps)
    into.annotations.append(annotations / num_steps)
    into.waited.append(waited / (time.perf_counter() - entered))
    if device.type == "cuda":
        into.peak_bytes = max(into.peak_bytes, torch.cuda.max_memory_allocated(device))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How loops are timed: `number` rounds of about `seconds` each, as far as `allows` gives time."""

    number: int
    seconds: float
    device: torch.device
    allows: Callable[[str, float], bool]

    def warm(self, loop: Loop, batches: Iterator[StepBatch], cycle: int = 1) -> int:
        """Run `cycle` steps twice; the steps of a round, a multiple of `cycle` and about 100 at most."""
        warm = Timing()
        run_round(loop, batches, cycle, self.device, warm)
        run_round(loop, batches, cycle, self.device, warm)
        return cycle * max(1, min(100 // cycle, round(self.seconds / (cycle * warm.step_s[-1]))))

    def interleaved(self, runs: dict[str, tuple[Loop, Iterator[StepBatch]]]) -> dict[str, Timing]:
        """The rounds of all runs in turn, so that a change of the machine's speed meets all of them.

        For batches that are in memory: a loader would fetch ahead during the rounds of the others.
        """
        found = {name: Timing() for name in runs}
        steps = {name: self.warm(*run) for name, run in runs.items()}
        for number in range(self.number):
            if number and not self.allows(f"round {number + 1} of {', '.join(runs)}", self.seconds * len(runs)):
                break
            for name, run in runs.items():
                run_round(*run, steps[name], self.device, found[name])
        if self.device.type == "cuda":
            loops = [loop for loop, _ in runs.values()]
            for name, run in runs.items():
                release_others(run[0], loops)
                alone = Timing()
                run_round(*run, 2, self.device, alone)
                found[name].peak_bytes = alone.peak_bytes
        return found

    def in_a_row(self, name: str, loop: Loop, batches: Iterator[StepBatch], cycle: int = 1) -> Timing:
        """All rounds of one run, one after the other."""
        found, num_steps = Timing(), self.warm(loop, batches, cycle)
        for number in range(self.number):
            if number and not self.allows(f"round {number + 1} of {name}", self.seconds):
                break
            run_round(loop, batches, num_steps, self.device, found)
        return found

    def streamed(self, name: str, loop: Loop, loader: StreamLoader[StepBatch]) -> Timing:
        """All rounds of one run from a loader that nothing has read yet.

        The batches that were fetched ahead at the start are dropped, else the first steps would not wait for theirs.
        """
        with closing(cast("Generator[StepBatch]", iter(loader))) as batches:  # its workers end with it
            for _ in range(loader.prefetch_factor * loader.workers + 4):
                next(batches)
            return self.in_a_row(name, loop, batches)


def release_others(loop: Loop, loops: Sequence[Loop]) -> None:
    """Free the gradients and optimiser states of all loops but one, which would count in its peak memory."""
    for other in loops:
        if other is not loop:
            other.release()


def repeated(batches: Sequence[StepBatch]) -> Iterator[StepBatch]:
    """The same batches for ever."""
    while True:
        yield from batches
