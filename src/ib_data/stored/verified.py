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

from ib_data.errors import DataError
from ib_data.file_state import FileState
from ib_data.home import MANIFEST
from ib_data.stored.manifest import read_manifest


@dataclass(frozen=True, slots=True)
class _Seen:
    """A manifest: the state of its file, and the checksum of each shard."""

    state: FileState
    digests: dict[str, str]


@dataclass(slots=True)
class Verified:
    """What is known of the shards of a home; `folder` keeps an empty file for each state of a shard that was hashed."""

    folder: Path
    _manifests: dict[Path, _Seen] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)

    def require_unaltered(self, path: Path, descriptor: int, found: os.stat_result, sha256: str) -> None:
        """Raise DataError where the open shard `path`, with the status `found`, is not the one of that checksum.

        That is the checksum of the manifest that the reader knows; the one there now must name the same.
        """
        manifest = self._manifest(path.parent)
        if manifest.digests.get(path.name) != sha256:
            dataset = path.parent.parent.name
            remedy = "open the stream again, from its beginning"
            raise DataError(dataset, "the shard was built again meanwhile", file=str(path), remedy=remedy)
        now = FileState.of(found)
        if not now.is_newer_than(manifest.state):
            return
        state = f"{sha256}-{now.num_bytes}-{now.mtime_ns}-{now.inode}"
        if state not in self._whole:
            with _alone(descriptor):
                if not self._is_recorded(state):
                    _require_sha256(path, descriptor, sha256)
                    self._record(state)
            self._whole.add(state)

    def _manifest(self, folder: Path) -> _Seen:
        """What the manifest says now; it is read again where it is another file than before."""
        found, before = _state_of_manifest(folder), self._manifests.get(folder)
        if before is None or before.state != found:
            manifest = read_manifest(folder, folder.parent.name)
            digests = {shard.name: shard.sha256 for shard in manifest.shards} if manifest else {}
            before = _Seen(found, digests)
            self._manifests[folder] = before
        return before

    def _is_recorded(self, state: str) -> bool:
        with suppress(OSError):
            return (self.folder / state).is_file()
        return False

    def _record(self, state: str) -> None:
        with suppress(OSError):  # a cache that cannot be written: each process hashes for itself
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / state).touch()


def _state_of_manifest(folder: Path) -> FileState:
    path, dataset = folder / MANIFEST, folder.parent.name
    try:
        return FileState.at(path)
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


def _require_sha256(path: Path, descriptor: int, sha256: str) -> None:
    with open(descriptor, "rb", closefd=False) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        dataset = path.parent.parent.name
        problem = f"expected sha256 {sha256} as the manifest says, found {found}"
        remedy = f"it was altered after the build, or built again meanwhile: build {dataset} again"
        raise DataError(dataset, problem, file=str(path), remedy=remedy)
