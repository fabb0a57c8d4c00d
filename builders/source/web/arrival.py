"""Verifying a fetched file against its card, or against its first download."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ib_data.addresses import without_user
from ib_data.builders.source.web.checksum_record import ChecksumRecord, beside
from ib_data.builders.source.web.partial_file import validator_of
from ib_data.cards import SourceFile
from ib_data.errors import DataError
from ib_data.file_state import sha256_of

_PAGE = re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Arrival:
    """The expected size and checksum of a file fetched from `address` for `target`, from its card or pinned there."""

    file: SourceFile
    dataset: str
    target: Path
    address: str
    sha256: str | None
    is_official: bool

    @property
    def is_known(self) -> bool:
        """Whether a known size or checksum can prove that the file is complete."""
        return bool(self.sha256 or self._pinned or (self.is_official and (self.file.num_bytes or self.file.md5)))

    @property
    def _pinned(self) -> str | None:
        """The checksum of the first download, if the official one is unknown."""
        record = ChecksumRecord.of(self.target) if self.is_official and not self.sha256 else None
        return record.pinned if record else None

    def verified(self, part: Path) -> str:
        """The checksum of `part`. Deletes it and raises DataError if it is not the expected file."""
        digest, num_bytes = sha256_of(part), part.stat().st_size
        checks: list[tuple[str, object, object, str]] = [("sha256", self.sha256, digest, self._not_official)]
        if self.is_official:
            checks.insert(0, ("size", self.file.num_bytes, num_bytes, self._not_official))
            checks.append(("sha256", self._pinned, digest, self._changed))
            if self.file.md5 and not self.file.sha256:
                checks.append(("md5", self.file.md5, _md5_of(part), self._not_official))
        wrong = next((check for check in checks if check[1] not in (None, check[2])), None)
        is_page = _is_web_page(part, self.file.name)
        if wrong or (not self.is_known and (is_page or not num_bytes)):
            part.unlink()
            validator_of(part).unlink(missing_ok=True)
            problem = f"{wrong[0]} expected {wrong[1]}, found {wrong[2]}" if wrong else "this is another file"
            kind = "a web page, perhaps one that asks to sign in" if is_page else "" if num_bytes else "an empty file"
            problem += f" (the host sent {kind})" if kind else ""
            remedy = wrong[3] if wrong and not kind else self._not_official
            raise DataError(self.dataset, problem, file=without_user(self.address), remedy=remedy)
        return digest

    @property
    def _not_official(self) -> str:
        return (
            f"the fetched file was deleted, {self._at_hand}; the host changed the file or the transfer failed: try "
            "again, or put the official file into a folder and name it with --source"
        )

    @property
    def _changed(self) -> str:
        return (
            f"the host now sends another file than at the first download; it was deleted, {self._at_hand}. To use the "
            f"new file, delete {beside(self.target, '.sha256')} and run the same command again; to keep the old one, "
            f"put it back at {self.target}"
        )

    @property
    def _at_hand(self) -> str:
        return f"an earlier copy is at {self.target}" if self.target.exists() else f"no copy is at {self.target}"


def _md5_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _is_web_page(path: Path, name: str) -> bool:
    with path.open("rb") as stream:
        start = stream.read(200).removeprefix(_BYTE_ORDER_MARK)
    return _PAGE.match(start) is not None and not name.endswith((".html", ".htm"))
