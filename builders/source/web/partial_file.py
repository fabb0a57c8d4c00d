"""What is kept beside the first bytes of a file (`NAME.part`), so that a later attempt can continue with them."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import requests

from ib_data.addresses import without_user
from ib_data.replacing import replacing

_TAG = re.compile(r"[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True, slots=True)
class Version:
    """What identifies the file whose first bytes are in a part: kept in `PART.validator`, a line each.

    `tag` is its ETag or Last-Modified ("" where it has none: nothing can be resumed), `total` its length in bytes, and
    `origin` a checksum of the address, since the tags of two hosts say nothing of each other.
    """

    tag: str
    total: int | None
    origin: str

    @classmethod
    def of(cls, part: Path, url: str) -> "Version | None":
        """What the part's file says; None where there is none, a damaged one, or one of another address."""
        try:
            lines = (*validator_of(part).read_bytes().decode("ascii").splitlines(), "", "", "")
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            return None
        tag, total, origin = lines[:3]
        is_sound = _TAG.fullmatch(tag) and re.fullmatch(r"\d{0,18}", total) and origin in ("", _origin(url))
        return cls(tag, int(total) if total else None, origin) if is_sound else None

    @classmethod
    def told(cls, response: requests.Response, url: str, total: int | None) -> "Version":
        """What an answer says. A weak ETag does not tell that the bytes are the same, and is passed over."""
        tag = response.headers.get("ETag", "")
        if tag.startswith("W/") or not _TAG.fullmatch(tag):
            tag = response.headers.get("Last-Modified", "")
        return cls(tag if _TAG.fullmatch(tag) else "", total, _origin(url))

    def keep(self, part: Path) -> None:
        """Write it for a later attempt."""
        if self.tag:
            text = f"{self.tag}\n{'' if self.total is None else self.total}\n{self.origin}\n"
            with replacing(validator_of(part), is_locked=True) as new:
                new.write_text(text, encoding="utf-8")
        else:
            validator_of(part).unlink(missing_ok=True)

    def differs(self, response: requests.Response) -> str | None:
        """How an answer contradicts it by its ETag or Last-Modified; None where it does not."""
        header = "Last-Modified" if self.tag.endswith(" GMT") else "ETag"
        found = response.headers.get(header)
        return f"its {header} is {found}, and was {self.tag}" if found and found != self.tag else None


def validator_of(part: Path) -> Path:
    """Where the version of a part is kept."""
    return part.with_name(f"{part.name}.validator")


def _origin(url: str) -> str:
    return hashlib.sha256(without_user(url).encode()).hexdigest()[:16]
