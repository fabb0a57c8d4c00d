"""What became of every URL that was ever crawled: the folder `downloads/crawled`."""

import hashlib
import os
from pathlib import Path

from ib_data.builders.web import DEAD, REFUSED, TOO_LARGE, TOO_SLOW

NOT_AN_IMAGE, TOO_SMALL = "not an image", "too small"
REASONS = (DEAD, NOT_AN_IMAGE, TOO_SMALL, TOO_LARGE, TOO_SLOW, REFUSED)


def digest_of(url: str) -> str:
    """The SHA-256 of a URL, in hex: its name here."""
    return hashlib.sha256(url.encode()).hexdigest()


class Record:
    """What became of every URL asked so far: files by the SHA-256 of their URL, and one line a failure."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "status.tsv"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.failed: dict[bytes, str] = {}
        if self.log.exists():
            for line in self.log.read_text(encoding="ascii", errors="replace").splitlines():
                digest, _, reason = line.partition("\t")
                if len(digest) == 64 and reason in REASONS:  # a line cut short by a kill is none
                    self.failed[bytes.fromhex(digest)] = REASONS[REASONS.index(reason)]

    def path(self, digest: str) -> Path:
        """Where the bytes of a URL lie: 4,096 folders, of some 3,000 files each for 14 million URLs."""
        return self.folder / digest[:3] / digest[3:]

    def known(self, url: str) -> Path | str | None:
        """The file of a URL, or the reason why there is none; None where it was not asked yet."""
        digest = digest_of(url)
        path = self.path(digest)
        return path if path.exists() else self.failed.get(bytes.fromhex(digest))

    def add(self, url: str, reason: str) -> None:
        """Note why a URL has no file."""
        with self.log.open("a", encoding="ascii") as log:
            log.write(f"{digest_of(url)}\t{reason}\n")

    def keep(self, url: str, data: bytes) -> Path:
        """Write the bytes of a URL; one rename makes them its file."""
        path = self.path(digest_of(url))
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(data)
        part.replace(path)
        return path
