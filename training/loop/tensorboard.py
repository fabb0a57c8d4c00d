"""TensorBoard's curves of a run, in RUN/tensorboard, where the package is installed."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

from ib_data.console import debug
from ib_data.errors import os_error_line

FOLDER = "tensorboard"
_MAX_QUEUE = 1000  # events before a step waits for the writing thread
# The curve of each number in the log's line of a step.
CURVES = {
    "loss": "loss/all",
    "learning_rate": "optimizer/learning_rate",
    "gradient_norm": "optimizer/gradient_norm",
    "samples_per_s": "speed/samples_per_s",
    "target_tokens_per_s": "speed/target_tokens_per_s",
    "language_tokens_per_s": "speed/language_tokens_per_s",
    "tflops_per_s": "speed/tflops_per_s",
    "wait_share": "speed/wait_share",
    "peak_memory_bytes": "speed/peak_memory_bytes",
}


class TensorBoard:
    """Writes curves over the number of steps done; a context manager. Writes nothing if `writer` is None.

    If a file cannot be written, it says so once through `say` and writes no more: the same numbers are in `log.jsonl`.
    """

    def __init__(self, writer: Any, say: Callable[[str], None]) -> None:
        self._writer, self._say = writer, say

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._try(lambda writer: writer.close())
        self._writer = None

    @property
    def is_open(self) -> bool:
        """Whether curves are written."""
        return self._writer is not None

    def add_step(self, row: Mapping[str, Any]) -> None:
        """Add the points of the log's line of a step."""
        points = {curve: row[key] for key, curve in CURVES.items()}
        tasks = {f"loss/{task}": loss for task, loss in row["task_losses"].items()}
        self.add(row["step"] + 1, points | tasks)

    def add(self, done: int, points: Mapping[str, float | None]) -> None:
        """Add a point, after `done` steps, to each of these curves; None is left out."""
        if self._writer is None:
            return
        summary = import_module("tensorboard.compat.proto.summary_pb2").Summary
        # One event: `add_scalar` would write one for each curve, for ten times the time.
        values = [summary.Value(tag=curve, simple_value=y) for curve, y in points.items() if y is not None]
        self._try(lambda writer: writer.file_writer.add_summary(summary(value=values), done))

    def flush(self) -> None:
        """Write what is waiting, so that a killed run has the curves up to its checkpoint."""
        self._try(lambda writer: writer.flush())

    def _try(self, call: Callable[[Any], None]) -> None:
        if self._writer is None:
            return
        try:
            call(self._writer)
        except OSError as error:
            self._writer = None
            self._say(f"TensorBoard: {os_error_line(error)}. The run goes on without more of its curves.")


def open_tensorboard(run: Path, done: int, say: Callable[[str], None]) -> TensorBoard:
    """The curves of the run in folder `run`, continued after `done` steps: TensorBoard hides points after them.

    Without the package it writes nothing.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter  # 1.3 s
    except ImportError:
        debug("TensorBoard is not installed: no curves are written, only log.jsonl")
        return TensorBoard(None, say)
    try:
        return TensorBoard(SummaryWriter(run / FOLDER, purge_step=done + 1, max_queue=_MAX_QUEUE), say)
    except OSError as error:
        say(f"TensorBoard: {os_error_line(error)}. The run goes on without curves.")
        return TensorBoard(None, say)
