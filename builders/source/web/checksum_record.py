"""The checksum beside a fetched file, so that it is hashed once and pinned by its first download."""

import re
from dataclasses import dataclass
from pathlib import Path

from ib_data.file_state import FileState
from ib_data.replacing import replacing


@dataclass(frozen=True, slots=True)
class ChecksumRecord:
    """`NAME.sha256`: checksum, size and time of a file, so that 13 GB are hashed once, and again only after a change.

    `pinned` is the checksum as fetched, `current` the checksum now. They differ if the file was changed since; then the
    record has `current` after the time.
    """

    pinned: str
    state: str
    current: str

    @classmethod
    def of(cls, target: Path) -> "ChecksumRecord | None":
        """The record of a file; None if it is missing or damaged."""
        try:
            words = beside(target, ".sha256").read_bytes().decode("ascii").split()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        if not words or not all(re.fullmatch("[0-9a-f]{64}", word) for word in (words[0], *words[3:])):
            return None
        return cls(words[0], " ".join(words[1:3]), words[3] if len(words) > 3 else words[0])

    @classmethod
    def write(cls, target: Path, digest: str, pinned: str | None = None) -> "ChecksumRecord":
        """Record the current checksum of a file; without `pinned` it becomes the pinned one."""
        record = cls(pinned or digest, str(FileState.at(target)), digest)
        words = [record.pinned, record.state, *([digest] if digest != record.pinned else [])]
        with replacing(beside(target, ".sha256")) as part:
            part.write_text(" ".join(words) + "\n", encoding="ascii")
        return record

    def is_current(self, target: Path) -> bool:
        """Whether the file is unchanged since it was recorded, by size and time."""
        return self.state == str(FileState.at(target))


def beside(path: Path, suffix: str) -> Path:
    """The path with `suffix` after its name."""
    return path.with_name(path.name + suffix)
