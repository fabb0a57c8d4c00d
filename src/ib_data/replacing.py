"""Atomic writes of files and folders: a reader sees the old one or the new one, never a partial one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUFFIX = ".part"


@contextmanager
def replacing(path: Path, *, is_locked: bool = False, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what the block writes there replaces `path` by one rename.

    After an error, or if the block removes the temporary file, `path` is unchanged and nothing is left beside it. An
    OSError of the temporary file names `path`. Concurrent writers each have their own file, and the last rename wins.
    With `is_locked` (there is only one writer) the temporary file is always `NAME.part`, so that the next writer
    overwrites what a killed one left. `sync` flushes to disk before the rename; without it a power loss may leave an
    empty file.
    """
    part = _beside(path, "" if is_locked else f".{os.urandom(4).hex()}")
    try:
        yield part
        if part.exists():
            if sync:
                _put_on_disk(part)
            part.replace(path)
    except OSError as error:
        if isinstance(error.filename, str) and error.filename == str(part):
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # must not hide the original error
            part.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield an empty folder `NAME.part`, renamed to `path` when the block ends and removed after an error.

    One writer at a time: leftovers of a killed one are removed first. Raises OSError if `path` exists and is not empty,
    so a block that replaces it must remove it at its end. `sync` flushes every file and folder to disk before the
    rename, and the name after it.
    """
    part = _beside(path, "")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        if sync:
            for entry in (*part.rglob("*"), part):
                _put_on_disk(entry)
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if sync:
        with suppress(OSError):  # the folder is complete; some network file systems cannot flush a folder
            _put_on_disk(path.parent)


def _beside(path: Path, infix: str) -> Path:
    return path.with_name(f"{path.name}{infix}{SUFFIX}")


def _put_on_disk(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
