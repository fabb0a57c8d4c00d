"""What is kept beside a fetched file of its checksum, so that it is hashed once and pinned by its first download."""

import re
from dataclasses import dataclass
from pathlib import Path

from ib_data.file_state import FileState
from ib_data.replacing import replacing


@dataclass(frozen=True, slots=True)
class ChecksumRecord:
    """`NAME.sha256`: checksum, size and time of a file, so that 13 GB are hashed once and a changed file again.

    `pinned` is the checksum of what was fetched. A file that was changed since has another one, `current`, which the
    record then holds behind its time.
    """

    pinned: str
    state: str
    current: str

    @classmethod
    def of(cls, target: Path) -> "ChecksumRecord | None":
        """The record of a file, None where there is none or a damaged one."""
        try:
            words = beside(target, ".sha256").read_bytes().decode("ascii").split()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        if not words or not all(re.fullmatch("[0-9a-f]{64}", word) for word in (words[0], *words[3:])):
            return None
        return cls(words[0], " ".join(words[1:3]), words[3] if len(words) > 3 else words[0])

    @classmethod
    def write(cls, target: Path, digest: str, pinned: str | None = None) -> "ChecksumRecord":
        """Record the checksum of a file as it is now; it is pinned where none was before."""
        record = cls(pinned or digest, str(FileState.at(target)), digest)
        words = [record.pinned, record.state, *([digest] if digest != record.pinned else [])]
        with replacing(beside(target, ".sha256")) as part:
            part.write_text(" ".join(words) + "\n", encoding="ascii")
        return record

    def is_current(self, target: Path) -> bool:
        """Whether the file is the recorded one, by its size and time."""
        return self.state == str(FileState.at(target))


def beside(path: Path, suffix: str) -> Path:
    """The path with `suffix` after its name."""
    return path.with_name(path.name + suffix)
