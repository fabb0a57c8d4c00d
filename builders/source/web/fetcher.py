"""Fetching official files: from what was fetched before, from a mirror, or from their URL.

urllib3's `Retry` counts and spaces the attempts, filelock lets two builds run side by side. Pooch, the nearest registry
library, neither resumes with Range nor locks a file, and both matter for archives of 13 GB; what it would add beyond
that is one `hashlib` loop.

A file takes its final name only when it is whole: bytes go to `NAME.part`, size and checksum are compared, and one
rename ends the work. `NAME.sha256` keeps the checksum, so that a file whose official checksum is not known is pinned
by its first download, also after somebody changed it. A record that is damaged counts as none, and is written again.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from filelock import FileLock
from urllib3.util import Retry

from ib_data.addresses import without_user
from ib_data.builders.source.web.download import Download, check_space
from ib_data.builders.source.web.part import validator_of, write_whole
from ib_data.cards import SourceFile
from ib_data.console import Progress, debug, note
from ib_data.errors import DataError

RETRIES = Retry(total=5, backoff_factor=0.5)
_PIECE_BYTES = 1024**2
_PAGE = re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Where files may come from. `downloads` keeps them at HOST/PATH of their official URL.

    `checksums`, by URL, stand in for those of the cards: the miniature's files are not the official bytes.
    """

    downloads: Path
    mirror: str | None = None
    checksums: Mapping[str, str] | None = None

    def place(self, file: SourceFile) -> Path:
        """Where `file` lies once it is fetched."""
        return self.downloads / file.place

    def reaches(self, file: SourceFile) -> bool:
        """Whether `file` can be had although it is gated: it lies at its place already, or a mirror is to serve it."""
        return self.mirror is not None or _has_bytes(self.place(file))

    def fetch(self, file: SourceFile, dataset: str) -> Path:
        """The path of `file`, downloaded first where it is not there.

        Raises DataError when it cannot be had, or when what arrives is not of the expected size and checksum.
        """
        target = self.place(file)
        with _naming_what_is_in_the_way(dataset, target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{target}.lock"):
                if _has_bytes(target) and self._is_official(file, dataset, target):
                    debug(f"{dataset}: {file.name} is already in {target.parent}")
                else:
                    self._download(file, dataset, target)
        return target

    def sha256(self, file: SourceFile) -> str:
        """The checksum of a fetched file: as recorded, or computed anew where the file is not the recorded one."""
        target = self.place(file)
        record = _Record.of(target)
        if record is None or not record.is_current(target):
            record = _Record.write(target, sha256_of(target), record.pinned if record else None)
        return record.current

    def _is_official(self, file: SourceFile, dataset: str, target: Path) -> bool:
        """Whether what lies at a file's place may be used: a mirror's files must be its own, others are only named."""
        expected, before = self._expected(file), _Record.of(target)
        found = self.sha256(file)
        if expected is None and before and found not in (before.pinned, before.current):
            change = f"was changed after it was fetched (sha256 {found}, was {before.pinned})"
            note(f"{dataset}: {target} {change}; used as it is. To fetch it again, delete it")
        if expected in (None, found):
            return True
        if self.checksums is None:
            note(f"{dataset}: {target} is not the official file (sha256 {found}, official {expected}); used as it is")
        return self.checksums is None

    def _expected(self, file: SourceFile) -> str | None:
        """The checksum that the card, or the mirror's own list, says."""
        return self.checksums.get(file.url) if self.checksums is not None else file.sha256

    def _download(self, file: SourceFile, dataset: str, target: Path) -> None:
        part = _beside(target, ".part")
        address = self._address(file, dataset)
        checks = _Checks(file, dataset, target, address, self._expected(file), is_official=self.checksums is None)
        debug(f"{dataset}: fetching {without_user(address)}")
        if urlsplit(address).scheme == "file":
            validator_of(part).unlink(missing_ok=True)  # of what another host has sent of it
            _copy(Path(url2pathname(urlsplit(address).path)), part, dataset, address)
            digest = checks.verified(part)
        else:
            download = Download(address, part, dataset, is_checked=checks.are_known)
            is_joined = download.run(RETRIES)
            try:
                digest = checks.verified(part)
            except DataError:
                if not is_joined:  # of two answers: they may be of two versions after all
                    raise
                download.run(RETRIES)
                digest = checks.verified(part)
        part.replace(target)
        validator_of(part).unlink(missing_ok=True)
        _Record.write(target, digest)

    def _address(self, file: SourceFile, dataset: str) -> str:
        if self.mirror is None:
            return file.url
        address = f"{self.mirror.rstrip('/')}/{quote(file.place)}"
        try:
            urlsplit(address)
        except ValueError as error:
            problem = f"is no address ({error})"
            raise DataError(dataset, problem, file=without_user(address), remedy="check --mirror") from error
        return address


@dataclass(frozen=True, slots=True)
class _Checks:
    """What a file that arrived from `address` must be, to be kept at `target`: as its card says, or as pinned there."""

    file: SourceFile
    dataset: str
    target: Path
    address: str
    sha256: str | None
    is_official: bool

    @property
    def are_known(self) -> bool:
        """Whether size or checksum will tell that the file is whole."""
        return bool(self.sha256 or self._pinned or (self.is_official and (self.file.num_bytes or self.file.md5)))

    @property
    def _pinned(self) -> str | None:
        """The checksum of the first download, where the official one is not known."""
        record = _Record.of(self.target) if self.is_official and not self.sha256 else None
        return record.pinned if record else None

    def verified(self, part: Path) -> str:
        """The checksum of `part`; where it is not the file that is expected, it is deleted and DataError raised."""
        digest, num_bytes = sha256_of(part), part.stat().st_size
        checks: list[tuple[str, object, object, str]] = [("sha256", self.sha256, digest, self._not_official)]
        if self.is_official:
            checks.insert(0, ("size", self.file.num_bytes, num_bytes, self._not_official))
            checks.append(("sha256", self._pinned, digest, self._changed))
            if self.file.md5 and not self.file.sha256:
                checks.append(("md5", self.file.md5, _md5_of(part), self._not_official))
        wrong = next((check for check in checks if check[1] not in (None, check[2])), None)
        is_page = _is_web_page(part, self.file.name)
        if wrong or (not self.are_known and (is_page or not num_bytes)):
            part.unlink()
            validator_of(part).unlink(missing_ok=True)
            problem = f"{wrong[0]} expected {wrong[1]}, found {wrong[2]}" if wrong else "this is not the file"
            kind = "a web page, perhaps one that asks to sign in" if is_page else "" if num_bytes else "an empty file"
            problem += f" (the host sent {kind})" if kind else ""
            remedy = wrong[3] if wrong and not kind else self._not_official
            raise DataError(self.dataset, problem, file=without_user(self.address), remedy=remedy)
        return digest

    @property
    def _not_official(self) -> str:
        return (
            f"what arrived was deleted, {self._at_hand}; the host changed the file or the transfer was altered: try "
            "again, or put the official file into a folder and name it with --source"
        )

    @property
    def _changed(self) -> str:
        return (
            f"the host sends another file than was fetched here first; what arrived was deleted, {self._at_hand}. To "
            f"take the new file, delete {_beside(self.target, '.sha256')} and run the same command again; to keep the "
            f"old one, put it back at {self.target}"
        )

    @property
    def _at_hand(self) -> str:
        return f"an earlier copy is at {self.target}" if self.target.exists() else f"no copy is at {self.target}"


@dataclass(frozen=True, slots=True)
class _Record:
    """`NAME.sha256`: checksum, size and time of a file, so that 13 GB are hashed once and a changed file again.

    `pinned` is the checksum of what was fetched. A file that was changed since has another one, `current`, which the
    record then holds behind its time.
    """

    pinned: str
    version: tuple[str, ...]
    current: str

    @classmethod
    def of(cls, target: Path) -> "_Record | None":
        """The record of a file, None where there is none or a damaged one."""
        try:
            words = _beside(target, ".sha256").read_bytes().decode("ascii").split()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        if not words or not all(re.fullmatch("[0-9a-f]{64}", word) for word in (words[0], *words[3:])):
            return None
        return cls(words[0], tuple(words[1:3]), words[3] if len(words) > 3 else words[0])

    @classmethod
    def write(cls, target: Path, digest: str, pinned: str | None = None) -> "_Record":
        """Record the checksum of a file as it is now; it is pinned where none was before."""
        record = cls(pinned or digest, cls._version(target), digest)
        words = [record.pinned, *record.version, *([digest] if digest != record.pinned else [])]
        write_whole(_beside(target, ".sha256"), " ".join(words) + "\n")
        return record

    def is_current(self, target: Path) -> bool:
        """Whether the file is the recorded one, by its size and time."""
        return self.version == self._version(target)

    @staticmethod
    def _version(target: Path) -> tuple[str, ...]:
        stat = target.stat()
        return str(stat.st_size), str(stat.st_mtime_ns)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream, Progress(f"verifying {path.name}", path.stat().st_size, "B") as shown:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
            shown.add(len(piece))
    return digest.hexdigest()


def _md5_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _has_bytes(path: Path) -> bool:
    """Whether a file is there; no official file is empty, but one may be after a power loss."""
    return path.exists() and (path.stat().st_size > 0 or path.is_dir())


def _is_web_page(path: Path, name: str) -> bool:
    with path.open("rb") as stream:
        start = stream.read(200).removeprefix(_BYTE_ORDER_MARK)
    return _PAGE.match(start) is not None and not name.endswith((".html", ".htm"))


def _copy(source: Path, part: Path, dataset: str, address: str) -> None:
    if not source.is_file():
        raise DataError(dataset, "the mirror has no such file", file=without_user(address), remedy="check --mirror")
    num_bytes = source.stat().st_size
    check_space(part, num_bytes, dataset)
    with (
        source.open("rb") as whole,
        part.open("wb") as out,
        Progress(f"copying {source.name}", num_bytes, "B") as shown,
    ):
        while piece := whole.read(_PIECE_BYTES):
            out.write(piece)
            shown.add(len(piece))


@contextmanager
def _naming_what_is_in_the_way(dataset: str, target: Path) -> Iterator[None]:
    """Makes a DataError of a folder in the place of a file, or a file in the place of a folder."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        kind = "a folder" if isinstance(error, IsADirectoryError) else "no folder"
        problem = f"cannot be fetched: {error.filename or target} is {kind}"
        raise DataError(dataset, problem, file=str(target), remedy="move what is there away") from error
