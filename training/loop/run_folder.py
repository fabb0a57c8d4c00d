"""The folder of a run: one process writes there, and what is saved in it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ib_data.errors import IbDataError
from ib_data.training.loop.keeping import clean_up
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.record import newest


@contextmanager
def locked_folder(out: Path, ranks: Ranks) -> Iterator[None]:
    """The run's folder, which the main process makes, locks and cleans up after a killed one."""
    with ExitStack() as stack:
        if ranks.is_main:
            out.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(out / ".lock", timeout=0))
            except Timeout:
                problem = f"{out}: another run is writing there"
                raise IbDataError(f"{problem}; wait for it, or name another --out") from None
            clean_up(out)
        ranks.wait()
        yield


def saved_steps(out: Path) -> str:
    """Which steps of a run are saved, in words."""
    folder = newest(out)
    if folder is None:
        return f"no step is saved in {out}"
    return f"saved up to step {int(folder.name[5:])} in {folder}; the same command continues from there"
