"""What a person sees of a run: a bar on a terminal, lines elsewhere."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from ib_data.console import Progress, seconds_text

# Off a terminal there is a line for the first and the last step, after every twentieth part of the steps, and after a
# minute without one: 20 lines for a short run, 720 for one of twelve hours.
_NUM_LINES = 20
_LINE_EVERY_S = 60.0
_WIDTHS = {
    "steps": 7,
    "loss": 8,
    "lr": 8,
    "samples/s": 9,
    "waiting": 7,
    "TFLOP/s": 8,
    "ceiling": 7,
    "time left": 12,
}


class Terminal:
    """Shows the steps of a run of `total` steps, of which `done` are done; a context manager. Nothing with -q.

    `ceiling` in TFLOP/s, or None if it is unknown. Lines go to `say`.
    """

    def __init__(self, say: Callable[[str], None], total: int, done: int, ceiling: float | None) -> None:
        self._say, self._total, self._ceiling = say, total, ceiling
        self._bar = Progress("training", total, "step", done=done)
        self._first = done + 1
        self._told_s = time.monotonic()
        self._after_first_s = 0.0
        self._since: list[Mapping[str, Any]] = []  # the steps since the line before

    def __enter__(self) -> "Terminal":
        self._bar.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.__exit__(kind, error, trace)

    def say(self, line: str) -> None:
        """Show a line that is not a step's."""
        if not self._bar.is_silent:
            self._say(line)

    def show(self, row: Mapping[str, Any]) -> None:
        """Show the log's line of a step, or count it for the next line that is shown."""
        done = row["step"] + 1
        if self._bar.is_bar:
            speed = f"{_number(row['samples_per_s'])} samples/s, waiting {row['wait_share']:.0%}"
            self._bar.add(state=f"loss {row['loss']:.4f}, {speed}")
        elif not self._bar.is_silent:
            self._since.append(row)
            if self._is_due(done):
                self._tell(done, row)

    def _is_due(self, done: int) -> bool:
        if done in (self._first, self._total) or done % max(1, self._total // _NUM_LINES) == 0:
            return True
        return time.monotonic() - self._told_s >= _LINE_EVERY_S

    def _tell(self, done: int, row: Mapping[str, Any]) -> None:
        """Loss and rate of this step; speeds are means since the line before."""
        now, rows = time.monotonic(), self._since
        if done == self._first:
            self._after_first_s = now
            self._say(_line(dict(zip(_WIDTHS, _WIDTHS, strict=True))))
        seconds = sum(of["step_s"] for of in rows)
        flops = sum(of["tflops_per_s"] * of["step_s"] for of in rows) / seconds
        # Not by the first step, which also starts the workers and warms up kernels.
        by_step = (now - self._after_first_s) / (done - self._first) if done > self._first else None
        cells = {
            "steps": f"{done:,}",
            "loss": f"{row['loss']:.4f}",
            "lr": f"{row['learning_rate']:.2e}",
            "samples/s": _number(sum(of["samples_per_s"] * of["step_s"] for of in rows) / seconds),
            "waiting": f"{sum(of['wait_share'] * of['step_s'] for of in rows) / seconds:.0%}",
            "TFLOP/s": _number(flops),
            "ceiling": f"{flops / self._ceiling:.0%}" if self._ceiling else "-",
            "time left": "-" if by_step is None else seconds_text(by_step * (self._total - done)),
        }
        self._say(_line(cells))
        self._told_s, self._since = now, []


def _line(cells: Mapping[str, str]) -> str:
    return "  ".join(cells[name].rjust(width) for name, width in _WIDTHS.items())


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
