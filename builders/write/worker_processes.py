"""Worker processes that do not import the script which started them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from threading import Lock

_HIDING = Lock()


class _Worker(SpawnProcess):
    """A spawned process that runs functions of this package alone."""

    def start(self) -> None:
        with _hidden_main():
            super().start()


class WorkerContext(SpawnContext):
    """A multiprocessing context whose processes are spawned and know nothing of `__main__`.

    Spawned processes import the script that started them, and one without `if __name__ == "__main__"` would begin the
    same build in each of them, which then waits for the lock that its parent holds. A fork would copy the locks of
    whatever threads are running here.
    """

    Process = _Worker


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Hides where `__main__` is from: multiprocessing looks at it whenever it starts a process."""
    main = sys.modules["__main__"]
    with _HIDING:
        names = vars(main)
        hidden = {name: names.pop(name) for name in list(names) if name in ("__spec__", "__file__")}
        main.__spec__ = None
        try:
            yield
        finally:
            del main.__spec__
            names.update(hidden)
