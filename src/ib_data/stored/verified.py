"""Whether shards of a home are unchanged since their build: by modification time, else by checksum.

A build writes `manifest.json` last, so a shard that is not newer is unchanged. A newer shard (the home was copied
without file times, or something wrote to the shard) is hashed, once per machine. `ib-data check` finds bytes that a
disk damaged without a change of the time.
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
    """What a manifest says: the state of its file, and the checksum of each shard."""

    state: FileState
    digests: dict[str, str]


@dataclass(slots=True)
class Verified:
    """The verified shards of a home; `folder` keeps an empty file for each shard state that was hashed."""

    folder: Path
    _manifests: dict[Path, _Seen] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)

    def require_unaltered(self, path: Path, descriptor: int, found: os.stat_result, sha256: str) -> None:
        """Raise DataError if the open shard `path`, with the status `found`, does not have this checksum.

        The checksum comes from the manifest that the reader opened; the manifest on disk must still name the same.
        """
        manifest = self._manifest(path.parent)
        if manifest.digests.get(path.name) != sha256:
            dataset = path.parent.parent.name
            remedy = "open the stream again, from its beginning"
            raise DataError(dataset, "the shard was built again in the meantime", file=str(path), remedy=remedy)
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
        """What the manifest says now; read again if the file was replaced."""
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
    """Holds a lock on the file, so that one process hashes it and the others wait for the result."""
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
        remedy = f"it was altered after the build, or built again in the meantime: build {dataset} again"
        raise DataError(dataset, problem, file=str(path), remedy=remedy)
