"""One-line errors for what torch raises when a loading worker dies or its batches cannot be received."""

import re
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

from ib_data.errors import IbDataError, one_line

# What opening a batch raises whose worker is just dying, and how long the death may then take to be known: the kernel
# closes the worker's sockets first, by microseconds or, on a busy machine, milliseconds.
CUT_OFF = (EOFError, ConnectionError, FileNotFoundError)
_DEATH_KNOWN_S = 2.0
# What torch says of a worker that is gone; it also names the worker whose collate raised, with its traceback.
_DIED = re.compile(r"DataLoader worker \(.*(killed by signal|exited unexpectedly)")
_NO_FILES = "Too many open files"


def fault_of(error: RuntimeError, position: int) -> IbDataError | None:
    """The one-line error for torch's `error` at `position`; None where it has nothing to do with the workers."""
    reason = one_line(str(error).partition("\n")[0], 200)
    if reason.startswith(_NO_FILES):
        remedy = "each batch that is kept holds one: clone what you keep, or raise `ulimit -n`"
        return IbDataError(f"too many open files before position {position}; {remedy}")
    if _DIED.search(str(error)):
        remedy = "it was killed, perhaps for lack of memory: use fewer workers, and continue from the last state"
        return IbDataError(f"a loading worker died before position {position}: {reason}; {remedy}")
    return None


def raise_for_dead_worker(workers: Sequence[BaseProcess]) -> None:
    """Raise RuntimeError, in torch's words, for a worker that died; return where none did.

    torch's own comes out of a signal: at random within seconds, in the main thread alone, and not at all where workers
    are children of a fork server. A worker whose end was asked for here raises no other one later.
    """
    until = time.monotonic() + (_DEATH_KNOWN_S if workers else 0)
    while time.monotonic() < until:
        for worker in workers:
            if code := worker.exitcode:
                how = f"is killed by signal: {-code}" if code < 0 else f"exited unexpectedly with exit code {code}"
                raise RuntimeError(f"DataLoader worker (pid {worker.pid}) {how}")
        time.sleep(0.01)
