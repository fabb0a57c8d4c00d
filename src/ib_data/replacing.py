"""Writing a file or a folder whole: a reader sees the earlier one or the new one, and never half of one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUFFIX = ".part"


@contextmanager
def replacing(path: Path, *, is_locked: bool = False, sync: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`; what the block writes there takes the place of `path` by one rename.

    After an error, or where the block itself removes the temporary file, `path` stays as it was and nothing is left
    beside it. An OSError of the temporary file names `path`. Writers of one path do not disturb each other: each has
    a file of its own, and the last rename wins. With `is_locked`, where only one writer is at work, its name is always
    `NAME.part`, so that the next writer overwrites what a killed one left. `sync` puts the bytes on the disk before the
    rename; without it a power loss may leave an empty file.
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
        with suppress(OSError):  # it must not hide the error that led here
            part.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """An empty folder `NAME.part`, which becomes `path` by one rename when the block ends; after an error it is gone.

    One writer at a time: what a killed one left is removed first. OSError where `path` is there and not empty, so that
    a block that is to replace it removes it last. `sync` puts every file in it on the disk before the rename.
    """
    part = _beside(path, "")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        if sync:
            for file in part.iterdir():
                _put_on_disk(file)
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _beside(path: Path, infix: str) -> Path:
    return path.with_name(f"{path.name}{infix}{SUFFIX}")


def _put_on_disk(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
