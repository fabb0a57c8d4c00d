"""Fetching official files: from earlier downloads, from a mirror, or from their URL.

urllib3's `Retry` counts and spaces the attempts; filelock lets two builds run side by side. Pooch neither resumes with
Range nor locks files, and both matter for archives of 13 GB; it would save little more than a `hashlib` loop.

A file gets its final name only when it is complete: bytes go to `NAME.part`, size and checksum are verified, then it is
renamed. `NAME.sha256` records the checksum, so that a file without a known official checksum is pinned by its first
download. A damaged record counts as missing and is rewritten.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from filelock import FileLock
from urllib3.util import Retry

from ib_data.addresses import without_user
from ib_data.builders.source.web.arrival import Arrival
from ib_data.builders.source.web.checksum_record import ChecksumRecord, beside
from ib_data.builders.source.web.download import Download, check_space
from ib_data.builders.source.web.partial_file import validator_of
from ib_data.cards import SourceFile
from ib_data.console import Progress, debug, note
from ib_data.errors import DataError
from ib_data.file_state import sha256_of

RETRIES = Retry(total=5, backoff_factor=0.5)
_PIECE_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Fetches files into `downloads`, at HOST/PATH of their official URL.

    `checksums`, by URL, replace those of the cards, since the miniature's files are not the official bytes.
    """

    downloads: Path
    mirror: str | None = None
    checksums: Mapping[str, str] | None = None

    def place(self, file: SourceFile) -> Path:
        """The path of `file` once it is fetched."""
        return self.downloads / file.place

    def reaches(self, file: SourceFile) -> bool:
        """Whether `file` is available even if gated: it is in place already, or there is a mirror."""
        return self.mirror is not None or self.has(file)

    def has(self, file: SourceFile) -> bool:
        """Whether `file` is in place, fetched or put there by hand."""
        return _has_bytes(self.place(file))

    def fetch(self, file: SourceFile, dataset: str) -> Path:
        """The path of `file`, downloaded if it is missing.

        Raises DataError if it cannot be downloaded, or has the wrong size or checksum.
        """
        target = self.place(file)
        with _path_errors(dataset, target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{target}.lock"):
                if _has_bytes(target) and self._is_official(file, dataset, target):
                    debug(f"{dataset}: {file.name} is already in {target.parent}")
                else:
                    self._download(file, dataset, target)
        return target

    def sha256(self, file: SourceFile) -> str:
        """The checksum of a fetched file, from its record; computed again if the file has changed."""
        target = self.place(file)
        record = ChecksumRecord.of(target)
        if record is None or not record.is_current(target):
            record = ChecksumRecord.write(target, sha256_of(target), record.pinned if record else None)
        return record.current

    def _is_official(self, file: SourceFile, dataset: str, target: Path) -> bool:
        """Whether the file in place may be used: miniature files must match, others only get a note if they differ."""
        expected, before = self._expected(file), ChecksumRecord.of(target)
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
        """The expected checksum, from the card or from `checksums`."""
        return self.checksums.get(file.url) if self.checksums is not None else file.sha256

    def _download(self, file: SourceFile, dataset: str, target: Path) -> None:
        part = beside(target, ".part")
        address = self._address(file, dataset)
        arrival = Arrival(file, dataset, target, address, self._expected(file), is_official=self.checksums is None)
        debug(f"{dataset}: fetching {without_user(address)}")
        if urlsplit(address).scheme == "file":
            validator_of(part).unlink(missing_ok=True)  # of an earlier download from another host
            _copy(Path(url2pathname(urlsplit(address).path)), part, dataset, address)
            digest = arrival.verified(part)
        else:
            download = Download(address, part, dataset, is_checked=arrival.is_known)
            is_joined = download.run(RETRIES)
            try:
                digest = arrival.verified(part)
            except DataError:
                if not is_joined:  # joined from two answers: they may be of two versions, so try once more
                    raise
                download.run(RETRIES)
                digest = arrival.verified(part)
        part.replace(target)
        validator_of(part).unlink(missing_ok=True)
        ChecksumRecord.write(target, digest)

    def _address(self, file: SourceFile, dataset: str) -> str:
        if self.mirror is None:
            return file.url
        address = f"{self.mirror.rstrip('/')}/{quote(file.place)}"
        try:
            urlsplit(address)
        except ValueError as error:
            problem = f"is not a valid address ({error})"
            raise DataError(dataset, problem, file=without_user(address), remedy="check --mirror") from error
        return address


def _has_bytes(path: Path) -> bool:
    """Whether a non-empty file (or a folder) exists; a power loss may leave an empty file."""
    return path.exists() and (path.stat().st_size > 0 or path.is_dir())


def _copy(source: Path, part: Path, dataset: str, address: str) -> None:
    if not source.is_file():
        raise DataError(dataset, "the mirror has no such file", file=without_user(address), remedy="check --mirror")
    num_bytes = source.stat().st_size
    check_space(part, num_bytes, dataset)
    copying = Progress(f"copying {source.name}", num_bytes, "B")
    with source.open("rb") as whole, part.open("wb") as out, copying as shown:
        while piece := whole.read(_PIECE_BYTES):
            out.write(piece)
            shown.add(len(piece))


@contextmanager
def _path_errors(dataset: str, target: Path) -> Iterator[None]:
    """Turn errors about a folder instead of a file, or a file instead of a folder, into DataError."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        kind = "a folder" if isinstance(error, IsADirectoryError) else "not a folder"
        problem = f"cannot be fetched: {error.filename or target} is {kind}"
        raise DataError(dataset, problem, file=str(target), remedy="move it away") from error
