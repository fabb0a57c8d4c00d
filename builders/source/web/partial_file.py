"""The version record beside an unfinished download (`NAME.part`), so that a later attempt can resume it."""

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
    """The version of the file whose first bytes are in a part, saved in `PART.validator`, one line per field.

    `tag` is its ETag or Last-Modified ("" without one: then it cannot be resumed), `total` its length in bytes, and
    `origin` a checksum of the address, since tags of different hosts are not comparable.
    """

    tag: str
    total: int | None
    origin: str

    @classmethod
    def of(cls, part: Path, url: str) -> "Version | None":
        """The saved version of a part; None if it is missing, damaged or of another address."""
        try:
            lines = (*validator_of(part).read_bytes().decode("ascii").splitlines(), "", "", "")
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            return None
        tag, total, origin = lines[:3]
        is_sound = _TAG.fullmatch(tag) and re.fullmatch(r"\d{0,18}", total) and origin in ("", _origin(url))
        return cls(tag, int(total) if total else None, origin) if is_sound else None

    @classmethod
    def told(cls, response: requests.Response, url: str, total: int | None) -> "Version":
        """The version in an answer. Weak ETags are ignored, since they do not promise equal bytes."""
        tag = response.headers.get("ETag", "")
        if tag.startswith("W/") or not _TAG.fullmatch(tag):
            tag = response.headers.get("Last-Modified", "")
        return cls(tag if _TAG.fullmatch(tag) else "", total, _origin(url))

    def keep(self, part: Path) -> None:
        """Save it for a later attempt."""
        if self.tag:
            text = f"{self.tag}\n{'' if self.total is None else self.total}\n{self.origin}\n"
            with replacing(validator_of(part), is_locked=True) as new:
                new.write_text(text, encoding="utf-8")
        else:
            validator_of(part).unlink(missing_ok=True)

    def differs(self, response: requests.Response) -> str | None:
        """How the ETag or Last-Modified of an answer differs from this version; None if it does not."""
        header = "Last-Modified" if self.tag.endswith(" GMT") else "ETag"
        found = response.headers.get(header)
        return f"its {header} is {found}, and was {self.tag}" if found and found != self.tag else None


def validator_of(part: Path) -> Path:
    """The file with the version of a part."""
    return part.with_name(f"{part.name}.validator")


def _origin(url: str) -> str:
    return hashlib.sha256(without_user(url).encode()).hexdigest()[:16]
