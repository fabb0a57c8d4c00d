"""Whether a file is still the one it was: at once by its size and time, or for certain by its checksum."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ib_data.console import Progress

_PIECE_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class FileState:
    """What changes with the bytes of a file, as a rule: its size, the time of its last change in ns, and its inode.

    Equal states are of one file of this machine. What is kept on disk is the text, `SIZE MTIME`: a copy that keeps the
    times (`cp -p`, `rsync -a`) has another inode, and need not be read again.
    """

    num_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "FileState":
        """The state in what `stat` found."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)

    @classmethod
    def at(cls, path: Path) -> "FileState":
        """The state of the file at `path`; OSError where there is none."""
        return cls.of(path.stat())

    def is_newer_than(self, manifest: "FileState") -> bool:
        """Whether a shard may have changed since its build, which writes the manifest last: then it must be hashed."""
        return self.mtime_ns > manifest.mtime_ns

    def __str__(self) -> str:
        return f"{self.num_bytes} {self.mtime_ns}"


def state_text(path: Path) -> str:
    """The text of the state of a file, "" where it cannot be seen."""
    try:
        return str(FileState.at(path))
    except OSError:
        return ""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex; what takes longer shows its progress. OSError where it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as stream, Progress(f"verifying {path.name}", path.stat().st_size, "B") as shown:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
            shown.add(len(piece))
    return digest.hexdigest()
