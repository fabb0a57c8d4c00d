"""Detecting changed files: quickly by size and time, or reliably by checksum."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ib_data.console import Progress

_PIECE_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class FileState:
    """Size, modification time in ns and inode of a file, which change when its bytes do, as a rule.

    Compare two states on one machine. On disk only the text `SIZE MTIME` is kept: a copy that preserves times
    (`cp -p`, `rsync -a`) has another inode but need not be read again.
    """

    num_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "FileState":
        """The state from a `stat` result."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)

    @classmethod
    def at(cls, path: Path) -> "FileState":
        """The state of the file at `path`; OSError if there is none."""
        return cls.of(path.stat())

    def is_newer_than(self, manifest: "FileState") -> bool:
        """Whether a shard may have changed since its build, which writes the manifest last: then it must be hashed."""
        return self.mtime_ns > manifest.mtime_ns

    def __str__(self) -> str:
        return f"{self.num_bytes} {self.mtime_ns}"


def state_text(path: Path) -> str:
    """`SIZE MTIME` of a file, or "" if it cannot be accessed."""
    try:
        return str(FileState.at(path))
    except OSError:
        return ""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex. Shows progress for large files. Raises OSError if it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as stream, Progress(f"verifying {path.name}", path.stat().st_size, "B") as shown:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
            shown.add(len(piece))
    return digest.hexdigest()
