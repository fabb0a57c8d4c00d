"""Whole shards of an object store on the local disk, up to a number of bytes, shared by all processes of a machine.

A copy is named by its SHA-256, so a shard that was replaced in the store is another file. A reader of a copy holds a
shared lock, a writer an exclusive lock. A locked copy is never removed, and locks end with their process.
"""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

# A copy gets this modification time once its bytes are checked; any later change sets another time.
_CHECKED_NS = 0
# The disk is full (bytes or inodes), or the quota or the limit on a file's size is reached.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The unit of `st_blocks`, whatever the block size of the file system.
_BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True)
class _Copy:
    """A file in the cache: its size, its size on disk, and when it was last used."""

    path: Path
    num_bytes: int
    disk_bytes: int
    used_ns: int


@dataclass(frozen=True, slots=True)
class ShardCache:
    """The copies in `folder`, at most `max_bytes` in total, except copies in use when `trim` lowers the limit."""

    folder: Path
    max_bytes: int

    def open(self, sha256: str, num_bytes: int) -> int | None:
        """A descriptor of the copy with this checksum, locked against removal, or None if there is no complete copy."""
        try:
            descriptor = os.open(self._path(sha256), os.O_RDONLY)
        except FileNotFoundError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not _is_whole(descriptor, sha256, num_bytes):
            os.close(descriptor)
            return None
        with suppress(PermissionError):  # another user's copy: only its last use is not recorded
            os.utime(descriptor, ns=(time.time_ns(), _CHECKED_NS))
        return descriptor

    def filling(self, sha256: str) -> FileLock:
        """The lock to hold around `add`, so that one process fetches and the others wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f"{sha256}.lock")

    def add(self, sha256: str, num_bytes: int, fetch: Callable[[], Iterator[bytes]]) -> int | None:
        """A descriptor of a new copy, filled with the pieces that `fetch` yields and checks; None if there is no room.

        Evicts the least recently used copies to make room. If `fetch` raises, nothing is left behind.
        """
        if num_bytes > self.max_bytes:
            return None
        part = self._path(sha256).with_suffix(".part")
        try:
            descriptor = self._reserve(part, num_bytes)
            if descriptor is None:
                return None
            try:
                with open(descriptor, "wb", buffering=0, closefd=False) as file:
                    for piece in fetch():
                        _write_all(file.fileno(), piece)
                os.fsync(descriptor)
                os.utime(descriptor, ns=(time.time_ns(), _CHECKED_NS))
                with self._room():
                    part.replace(self._path(sha256))
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            except BaseException:
                with self._room():
                    part.unlink(missing_ok=True)
                os.close(descriptor)
                raise
        except OSError as error:
            if not is_full(error):
                raise
            return None
        return descriptor

    def trim(self) -> None:
        """Remove the least recently used copies until `max_bytes` are left; copies in use stay."""
        if not self.folder.is_dir() or _num_bytes(self._kept()) <= self.max_bytes:
            return
        with self._room():
            kept = self._kept()
            over_bytes = _num_bytes(kept) - self.max_bytes
            for copy in kept:
                if over_bytes > 0 and _remove_unused(copy.path):
                    over_bytes -= copy.num_bytes

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.tar"

    def _room(self) -> FileLock:
        """The lock to hold while a file is created, renamed or removed, so that sizes add up."""
        return FileLock(self.folder / "room.lock")

    def _reserve(self, part: Path, num_bytes: int) -> int | None:
        """A descriptor of a locked file of the full size, which counts at once; None if there is no room."""
        with self._room():
            if not self._make_room(num_bytes):
                return None
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.ftruncate(descriptor, num_bytes)
            except BaseException:
                part.unlink()
                os.close(descriptor)
                raise
            return descriptor

    def _make_room(self, num_bytes: int) -> bool:
        """Evict least recently used copies until `num_bytes` fit; whether they do. Removes nothing if they can't."""
        kept = self._kept()
        disk = os.statvfs(self.folder)
        over_bytes = _num_bytes(kept) + num_bytes - self.max_bytes
        short_bytes = num_bytes - disk.f_bavail * disk.f_frsize
        chosen = []
        for copy in kept:
            if over_bytes <= 0 and short_bytes <= 0:
                break
            if _is_unused(copy.path):
                chosen.append(copy.path)
                over_bytes -= copy.num_bytes
                short_bytes -= copy.disk_bytes
        if over_bytes > 0 or short_bytes > 0:
            return False
        return all(_remove_unused(path) for path in chosen)

    def _kept(self) -> list[_Copy]:
        """All copies, least recently used first. A partial copy of a killed process is among them, unlocked."""
        copies = []
        for path in self.folder.iterdir():
            if path.suffix in (".tar", ".part"):
                with suppress(FileNotFoundError):  # without the lock, another process may remove it
                    copies.append(_copy(path))
        return sorted(copies, key=lambda copy: copy.used_ns)


def is_full(error: OSError) -> bool:
    """Whether the disk has no room, for bytes or for one more file."""
    return error.errno in _FULL


def _copy(path: Path) -> _Copy:
    found = path.lstat()
    return _Copy(path, found.st_size, found.st_blocks * _BLOCK_BYTES, found.st_atime_ns)


def _num_bytes(copies: list[_Copy]) -> int:
    return sum(copy.num_bytes for copy in copies)


def _is_whole(descriptor: int, sha256: str, num_bytes: int) -> bool:
    """Whether the copy is what was fetched; hashed only if it was modified since."""
    found = os.fstat(descriptor)
    if found.st_size != num_bytes:
        return False
    if found.st_mtime_ns == _CHECKED_NS:
        return True
    with open(descriptor, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _is_unused(path: Path) -> bool:
    """Whether no process reads or writes a copy."""
    with _locked(path) as is_unused:
        return is_unused


def _remove_unused(path: Path) -> bool:
    """Remove a copy that no process reads or writes; whether it is gone."""
    with _locked(path) as is_unused:
        if is_unused:
            path.unlink()
    return is_unused


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether the copy could be locked; the block holds the lock."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(descriptor, left) :]
