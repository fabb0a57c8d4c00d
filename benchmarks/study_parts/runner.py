"""Runs the cells of the study, each in a process of its own, some at a time; several runners may share a folder."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from ib_data.console import seconds_text
from study_parts.plan import Cell, Plan
from study_parts.results import Result, read_result, result_file, write_result

BUSY = 75  # exit code of a cell that another runner has
_POLL_S = 0.1
_WAIT_S = 2.0  # for cells that only another runner can finish


def make_cell(plan: Plan, cell: Cell, out: Path, run: Callable[[], Result]) -> bool:
    """Run a cell and write its result, unless it is there; False if another process is at it."""
    lock = result_file(out, cell).with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            if read_result(plan, out, cell) is None:
                write_result(out, cell, run())
    except Timeout:
        return False
    return True


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs `cells`, `jobs` at a time. `start` starts the process of a cell; `say` gets a line for each."""

    plan: Plan
    cells: Sequence[Cell]
    out: Path
    jobs: int
    start: Callable[[Cell], subprocess.Popen[bytes]]
    say: Callable[[str], None] = print
    failed: list[Cell] = field(default_factory=list)
    _running: dict[str, tuple[Cell, subprocess.Popen[bytes], float]] = field(default_factory=dict)
    _walls: list[float] = field(default_factory=list)
    _done: set[str] = field(default_factory=set)
    _busy_until: dict[str, float] = field(default_factory=dict)

    def run_all(self) -> bool:
        """Run what has no result yet; whether all cells have one now. Its processes end with it, also on Ctrl-C."""
        try:
            while (waiting := self._waiting()) or self._running:
                self._begin(waiting)
                self._collect()
                time.sleep(_POLL_S)
        finally:
            for _, process, _ in self._running.values():
                process.terminate()
            for _, process, _ in self._running.values():
                process.wait()
        return not self.failed

    def _waiting(self) -> list[Cell]:
        """The cells that are neither done nor given up; those that are running too."""
        lost = {cell.name for cell in self.failed}
        found = []
        for cell in self.cells:
            before = self.plan.before(cell)
            if before and before.name in lost and cell.name not in lost:
                self.say(f"{cell.name}: left out, since {before.name} failed")
                self.failed.append(cell)
                lost.add(cell.name)
            if cell.name not in lost and not self._is_done(cell):
                found.append(cell)
        return found

    def _is_done(self, cell: Cell) -> bool:
        if cell.name not in self._done and result_file(self.out, cell).exists():
            read_result(self.plan, self.out, cell)  # of this configuration
            self._done.add(cell.name)
        return cell.name in self._done

    def _begin(self, waiting: Sequence[Cell]) -> None:
        now = time.monotonic()
        for cell in waiting:
            if len(self._running) >= self.jobs:
                return
            before = self.plan.before(cell)
            is_ready = before is None or self._is_done(before)
            if is_ready and cell.name not in self._running and self._busy_until.get(cell.name, 0) <= now:
                self._running[cell.name] = cell, self.start(cell), now

    def _collect(self) -> None:
        now = time.monotonic()
        for name, (cell, process, began) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[name]
            if code == BUSY:
                self._busy_until[name] = now + _WAIT_S
            elif code:
                self.failed.append(cell)
                self.say(f"{name}: failed (exit {code}); its output is above")
            else:
                self._walls.append(now - began)
                self._say_done(cell)

    def _say_done(self, cell: Cell) -> None:
        result = read_result(self.plan, self.out, cell)
        assert result is not None
        left = len(self._waiting())
        seconds = sum(result["cpu_s"].values())
        remaining = left * sum(self._walls) / len(self._walls) / self.jobs
        place = f"[{len(self.cells) - left}/{len(self.cells)}]"
        self.say(f"{place} {cell.name}: {seconds:.0f} CPU seconds; about {seconds_text(remaining)} left")
