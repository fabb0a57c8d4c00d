"""Fetching official files: from what was fetched before, from a mirror, or from their URL.

urllib3's `Retry` counts and spaces the attempts, filelock lets two builds run side by side. Pooch, the nearest registry
library, neither resumes with Range nor locks a file, and both matter for archives of 13 GB; what it would add beyond
that is one `hashlib` loop.

A file takes its final name only when it is whole: bytes go to `NAME.part`, size and checksum are compared, and one
rename ends the work. `NAME.sha256` keeps the checksum, so that a file whose official checksum is not known is pinned
by its first download, even if it is changed later. A damaged record counts as missing, and is written again.
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
    """Where files may come from. `downloads` keeps them at HOST/PATH of their official URL.

    `checksums`, by URL, replace those of the cards: the miniature's files are not the official bytes.
    """

    downloads: Path
    mirror: str | None = None
    checksums: Mapping[str, str] | None = None

    def place(self, file: SourceFile) -> Path:
        """Where `file` is once it is fetched."""
        return self.downloads / file.place

    def reaches(self, file: SourceFile) -> bool:
        """Whether `file` can be had although it is gated: it is at its place already, or a mirror may serve it."""
        return self.mirror is not None or self.has(file)

    def has(self, file: SourceFile) -> bool:
        """Whether `file` was fetched before, or somebody put it at its place."""
        return _has_bytes(self.place(file))

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
        """The checksum of a fetched file: as recorded, or computed again where the file is not the recorded one."""
        target = self.place(file)
        record = ChecksumRecord.of(target)
        if record is None or not record.is_current(target):
            record = ChecksumRecord.write(target, sha256_of(target), record.pinned if record else None)
        return record.current

    def _is_official(self, file: SourceFile, dataset: str, target: Path) -> bool:
        """Whether what is at a file's place may be used: a mirror's files must be its own, others only get a note."""
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
        """The checksum that the card, or the mirror's own list, says."""
        return self.checksums.get(file.url) if self.checksums is not None else file.sha256

    def _download(self, file: SourceFile, dataset: str, target: Path) -> None:
        part = beside(target, ".part")
        address = self._address(file, dataset)
        arrival = Arrival(file, dataset, target, address, self._expected(file), is_official=self.checksums is None)
        debug(f"{dataset}: fetching {without_user(address)}")
        if urlsplit(address).scheme == "file":
            validator_of(part).unlink(missing_ok=True)  # of what another host has sent of it
            _copy(Path(url2pathname(urlsplit(address).path)), part, dataset, address)
            digest = arrival.verified(part)
        else:
            download = Download(address, part, dataset, is_checked=arrival.is_known)
            is_joined = download.run(RETRIES)
            try:
                digest = arrival.verified(part)
            except DataError:
                if not is_joined:  # of two answers: they may be of two versions after all
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
            problem = f"is no address ({error})"
            raise DataError(dataset, problem, file=without_user(address), remedy="check --mirror") from error
        return address


def _has_bytes(path: Path) -> bool:
    """Whether a file is there; no official file is empty, but one may be after a power loss."""
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
def _naming_what_is_in_the_way(dataset: str, target: Path) -> Iterator[None]:
    """Makes a DataError of a folder in the place of a file, or a file in the place of a folder."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        kind = "a folder" if isinstance(error, IsADirectoryError) else "no folder"
        problem = f"cannot be fetched: {error.filename or target} is {kind}"
        raise DataError(dataset, problem, file=str(target), remedy="move what is there away") from error
