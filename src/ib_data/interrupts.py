"""Ctrl-C and SIGTERM: finish the current step, keep its result, and stop with one line."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# `timeout` and some schedulers send one signal twice, to a process and to its group: not a second Ctrl-C.
_SAME_S = 0.3


class Interrupted(KeyboardInterrupt):
    """A signal stopped the work; the message says what is kept. `exit_code` is 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


class Interrupts:
    """A context manager in which Ctrl-C and SIGTERM raise KeyboardInterrupt, but not before the current `step` ends.

    A second signal raises at once. Does nothing outside the main thread, which receives no signals; ignored signals
    stay ignored. `signal` is the first signal received, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._first_s = 0.0
        self._step: str | None = None
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    @property
    def word(self) -> str:
        """`terminated` or `interrupted`, for the beginning of a line."""
        return "terminated" if self.signal == signal.SIGTERM else "interrupted"

    def stopped(self, line: str) -> Interrupted:
        """The exception that ends the program with `line`."""
        return Interrupted(f"{self.word}{line}", 128 + (self.signal or signal.SIGINT))

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if (before := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                    self._before[number] = before
                    signal.signal(number, self._received)
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    @contextmanager
    def step(self, wish: str) -> Iterator[None]:
        """Run a block to its end: a signal prints `wish`, and KeyboardInterrupt is raised after the block.

        SIGCHLD is deferred too: torch's handler raises in the middle of any code when a loading worker dies.
        """
        self._step = wish
        try:
            with self._later(signal.SIGCHLD):
                yield
        finally:
            self._step = None
        if self.signal is not None:
            raise KeyboardInterrupt

    def _received(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # in a forked loading worker: the parent handles it
            if number == signal.SIGTERM:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        if self.signal is not None and time.monotonic() - self._first_s < _SAME_S:
            return
        is_first, self.signal = self.signal is None, self.signal or number
        if not is_first:
            raise KeyboardInterrupt
        self._first_s = time.monotonic()
        if self._step is None:
            raise KeyboardInterrupt
        # Not print, which may be the code that the signal interrupted.
        os.write(2, f"\n{self.word}: {self._step}; again to quit at once\n".encode())

    @contextmanager
    def _later(self, number: int) -> Iterator[None]:
        before = signal.getsignal(number)
        if not callable(before) or not self._before:
            yield
            return
        came: list[FrameType | None] = []
        signal.signal(number, lambda _number, frame: came.append(frame))
        try:
            yield
        finally:
            signal.signal(number, before)
        if came and self.signal is None:
            before(number, None)
