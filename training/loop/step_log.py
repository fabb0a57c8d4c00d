"""The log of a run: a line per step in `log.jsonl`, curves in TensorBoard, and what a person sees."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from ib_data.mixtures.stream.stream import Stream
from ib_data.stored.meter import Meter
from ib_data.training.batch.batch import StepBatch
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.estimate.ceiling import matrix_ceiling
from ib_data.training.estimate.parts import parts_of
from ib_data.training.features.cache import FeatureCounts
from ib_data.training.loop.checks import Checked
from ib_data.training.loop.member_epochs import member_epochs
from ib_data.training.loop.optimizer import learning_rate_at
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.run import Run
from ib_data.training.loop.run_facts import RunFacts, run_facts
from ib_data.training.loop.speed import StepCounter, metered, over_ranks, peak_memory_bytes
from ib_data.training.loop.step import StepResult
from ib_data.training.loop.tensorboard import FOLDER, TensorBoard, open_tensorboard
from ib_data.training.loop.terminal import Terminal
from ib_data.training.loop.train_log import TrainLog
from ib_data.training.model.parts import frozen_dtype


class StepLog:
    """Logs the steps of a run that continues after `run.step` steps; a context manager around them.

    Every process calls it alike, since the numbers of a step are over all processes; rank 0 alone writes and shows.
    `features` counts what a feature cache found, if the run has one.
    """

    def __init__(
        self,
        config: TrainConfig,
        stream: Stream,
        run: Run,
        out: Path,
        ranks: Ranks,
        say: Callable[[str], None],
        log: TrainLog,
        features: FeatureCounts | None = None,
    ) -> None:
        self._config, self._stream, self._run, self._out, self._ranks = config, stream, run, out, ranks
        self._say, self._log, self._features = say, log, features
        self._began_s = 0.0
        self._epochs_at = run.step  # those of a checkpoint are in its log
        self._counter: StepCounter | None = None
        self._terminal: Terminal | None = None
        self._board = TensorBoard(None, say)
        self._open = ExitStack()

    def __enter__(self) -> "StepLog":
        self._counter = StepCounter(parts_of(self._run.loaded.config))
        facts = run_facts(self._config, self._run, self._ranks, self._ceiling())
        self._log.add(facts.line())
        if self._ranks.is_main:
            terminal = Terminal(self._say, self._config.steps, self._run.step, facts.ceiling_tflops_per_s)
            if self._config.tensorboard:
                self._board = self._open.enter_context(open_tensorboard(self._out, self._run.step, terminal.say))
            for line in self._first_lines(facts):
                terminal.say(line)
            self._terminal = self._open.enter_context(terminal)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.__exit__(kind, error, trace)

    def begin(self) -> None:
        """A step begins, with the wait for its batch."""
        if self._features:
            self._features.take()  # of a validation
        self._began_s = time.perf_counter()

    def end(self, step: int, batch: StepBatch, result: StepResult, meter: Meter) -> None:
        """Log step `step` (from 0), which ends now; `meter` has what its batch took."""
        seconds = time.perf_counter() - self._began_s
        assert self._counter is not None, "a step outside of the block"
        cached = self._features.take() if self._features else None
        sums = self._counter.counts(batch, cached.num_misses if cached else None) | metered(meter)
        if cached:
            sums |= {"num_feature_hits": cached.num_hits, "num_feature_misses": cached.num_misses}
        largest = {"wait_s": meter.wait_s, "peak_memory_bytes": peak_memory_bytes(self._ranks.device)}
        row = self._row(step, result, seconds, over_ranks(self._ranks, sums, largest))
        self._log.add(row)
        if self._terminal:
            self._board.add_step(row)
            self._terminal.show(row)

    def add_epochs(self, done: int) -> None:
        """Log the epochs of each member after `done` steps, once, and put the curves on disk."""
        if done == self._epochs_at:
            return
        size = self._config.batch_size
        epochs = member_epochs(self._stream, done * size, self._config.steps * size)
        self._log.add({"step": done, "epochs": epochs})
        self._epochs_at = done
        self._board.flush()

    def add_check(self, found: Checked, done: int) -> None:
        """Log and show what a check gave after `done` steps."""
        self._log.add(found.row(done))
        if self._terminal:
            self._board.add(done, found.points())
            self._terminal.say(found.line(done))

    def _row(self, step: int, result: StepResult, seconds: float, found: Mapping[str, float]) -> dict[str, Any]:
        """The log's line of a step."""
        row = {
            "step": step,
            "loss": result.loss,
            "learning_rate": learning_rate_at(step, self._config),
            "gradient_norm": result.gradient_norm,
            "task_losses": result.task_losses,
            "step_s": seconds,
            "samples_per_s": found["num_samples"] / seconds,
            "target_tokens_per_s": result.num_targets / seconds,
            "language_tokens_per_s": found["num_language_tokens"] / seconds,
            "tflops_per_s": found["flops"] / seconds / 1e12,
            "wait_share": min(1.0, found["wait_s"] / seconds),
        }
        seconds_of = {key: found[key] for key in ("wait_s", "read_s", "decode_s", "render_s")}
        counts = {key: int(value) for key, value in found.items() if key.startswith("num_") and key not in _IN_SPEEDS}
        return _finite(row | seconds_of | counts | {"peak_memory_bytes": int(found["peak_memory_bytes"])})

    def _ceiling(self) -> float:
        """The matrix ceiling of all processes together, TFLOP/s; all measure at the same time."""
        device = self._ranks.device
        own = measured_ceiling(device, frozen_dtype(self._config.precision, device))
        return self._ranks.sums([own])[0] / 1e12

    def _first_lines(self, facts: RunFacts) -> list[str]:
        config = self._config
        validation = f"every {config.validate_every:,}" if config.validate_every else "never"
        scores = f", scores every {config.score_every:,}" if config.score_every else ""
        curves = f", curves in {self._out / FOLDER}" if self._board.is_open else ""
        return [
            *facts.lines(),
            f"steps   {facts.step:,} of {facts.steps:,} done; checkpoint every {config.save_every:,}, "
            f"validation {validation}{scores}",
            f"logs    every step in {self._log.path}{curves}",
        ]


_IN_SPEEDS = ("num_samples", "num_language_tokens")


@cache
def measured_ceiling(device: torch.device, dtype: torch.dtype) -> float:
    """`matrix_ceiling`, measured once in this process."""
    return matrix_ceiling(device, dtype)


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same with None for numbers that JSON does not have: NaN, and infinities such as an overflown norm."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
