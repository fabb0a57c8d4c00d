"""One-line errors for a loading worker that dies, or whose batches cannot be received."""

import re
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

from ib_data.errors import IbDataError, one_line

# The errors of opening a batch whose worker is dying, and how long until the death is known: the kernel closes the
# worker's sockets microseconds earlier, or milliseconds on a busy machine.
CUT_OFF = (EOFError, ConnectionError, FileNotFoundError)
_DEATH_KNOWN_S = 2.0
# torch's message for a dead worker; it also names a worker whose collate raised, with the traceback.
_DIED = re.compile(r"DataLoader worker \(.*(killed by signal|exited unexpectedly)")
_NO_FILES = "Too many open files"


def fault_of(error: RuntimeError, position: int) -> IbDataError | None:
    """The one-line error for torch's `error` at `position`, or None if it is not about workers."""
    reason = one_line(str(error).partition("\n")[0], 200)
    if reason.startswith(_NO_FILES):
        remedy = "each batch that you keep holds one: clone what you keep, or raise `ulimit -n`"
        return IbDataError(f"too many open files before position {position}; {remedy}")
    if _DIED.search(str(error)):
        remedy = "it was killed, perhaps for lack of memory: use fewer workers, and continue from the last state"
        return IbDataError(f"a loading worker died before position {position}: {reason}; {remedy}")
    return None


def raise_for_dead_worker(workers: Sequence[BaseProcess]) -> None:
    """Raise RuntimeError, in torch's words, for a worker that died; return if none did.

    torch itself raises from a signal handler: within seconds, only in the main thread, and not at all if workers are
    children of a fork server. A worker whose end was reported here does not raise again later.
    """
    until = time.monotonic() + (_DEATH_KNOWN_S if workers else 0)
    while time.monotonic() < until:
        for worker in workers:
            if code := worker.exitcode:
                how = f"is killed by signal: {-code}" if code < 0 else f"exited unexpectedly with exit code {code}"
                raise RuntimeError(f"DataLoader worker (pid {worker.pid}) {how}")
        time.sleep(0.01)
