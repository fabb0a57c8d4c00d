"""Ctrl-C and SIGTERM: a loop ends after its step, keeps what it did, and says so."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# `timeout` and some schedulers send a signal twice, to a process and to its group: that is no second Ctrl-C.
_SAME_S = 0.3


class Interrupted(KeyboardInterrupt):
    """Work that a signal stopped; the line says what is kept. `exit_code` is 130 after Ctrl-C, 143 after SIGTERM."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


class Interrupts:
    """As a context manager: Ctrl-C and SIGTERM raise KeyboardInterrupt, but wait for the end of a `step`.

    The second signal never waits. In a thread other than the main one, which no signal reaches, nothing changes, and a
    signal that the caller ignores stays ignored. `signal` is the first one that came.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._first_s = 0.0
        self._step: str | None = None
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    @property
    def word(self) -> str:
        """What happened, for the beginning of a line."""
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
        """A block that must not be cut: a signal prints `wish` and raises KeyboardInterrupt when the block is done.

        SIGCHLD waits too: its handler in torch raises the death of a loading worker in the middle of any code.
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
        if os.getpid() != self._process:  # a loading worker that was forked: its parent decides
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
        # Not print: the signal may have come during one.
        os.write(2, f"\n{self.word}: {self._step}; once more to end at once\n".encode())

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
