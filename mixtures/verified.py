"""Whether shards of a home are as they were built: by the time of their last change, else by their checksum.

A build writes `manifest.json` last, so what is not newer was not altered since. What is newer (a home copied without
its times, a shard that something wrote into) is hashed, once a machine. Bytes that a disk lost without a change of the
time are found by `ib-data check`.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ib_data.builders.manifest import MANIFEST, read_manifest
from ib_data.errors import DataError


@dataclass(slots=True)
class Verified:
    """What is known of the shards of a home; `folder` keeps an empty file for each state of a shard that was hashed."""

    folder: Path
    _written_ns: dict[Path, int] = field(default_factory=dict)
    _digests: dict[Path, dict[str, str]] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)

    def refuse_altered(self, path: Path, descriptor: int, found: os.stat_result) -> None:
        """Raise DataError where the open shard `path`, with the status `found`, is not the one its manifest names."""
        written_ns = self._written_ns.get(path.parent)
        if written_ns is None:
            written_ns = self._written_ns[path.parent] = _time_of_manifest(path.parent)
        if found.st_mtime_ns <= written_ns:
            return
        sha256 = self._expected(path)
        state = f"{sha256}-{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"
        if state not in self._whole:
            with _alone(descriptor):
                if not self._is_recorded(state):
                    _refuse_other(path, descriptor, sha256)
                    self._record(state)
            self._whole.add(state)

    def _expected(self, path: Path) -> str:
        if path.parent not in self._digests:
            manifest = read_manifest(path.parent, path.parent.parent.name)
            self._digests[path.parent] = {shard.name: shard.sha256 for shard in manifest.shards} if manifest else {}
        return self._digests[path.parent].get(path.name, "of no such shard")

    def _is_recorded(self, state: str) -> bool:
        with suppress(OSError):
            return (self.folder / state).is_file()
        return False

    def _record(self, state: str) -> None:
        with suppress(OSError):  # a cache that cannot be written: each process hashes for itself
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / state).touch()


def _time_of_manifest(folder: Path) -> int:
    path, dataset = folder / MANIFEST, folder.parent.name
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise DataError(dataset, problem, file=str(path), remedy=f"build {dataset} again") from error


@contextmanager
def _alone(descriptor: int) -> Iterator[None]:
    """Holds a lock on the file, so that of several processes one hashes it and the others wait for what it finds."""
    with suppress(OSError):  # a file system without locks: all of them hash it
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _refuse_other(path: Path, descriptor: int, sha256: str) -> None:
    with open(descriptor, "rb", closefd=False) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        dataset = path.parent.parent.name
        problem = f"expected sha256 {sha256} as the manifest says, found {found}"
        remedy = f"it was altered after the build, or built anew meanwhile: build {dataset} again"
        raise DataError(dataset, problem, file=str(path), remedy=remedy)
