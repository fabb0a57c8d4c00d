"""Fetching official files: from `--source` folders, from what was fetched before, from a mirror, or from their URL.

requests does HTTP (it honours the proxies and certificates of the environment), urllib3's `Retry` spaces the attempts,
filelock lets two builds run side by side. Pooch, the nearest registry library, neither resumes with Range nor locks a
file, and both matter for archives of 13 GB; what it would add beyond that is one `hashlib` loop.

A file takes its final name only when it is whole: bytes go to `NAME.part`, size and checksum are compared, and one
rename ends the work. `NAME.sha256` keeps the checksum, so that a file whose official checksum is not known is pinned
by its first download.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import requests
from filelock import FileLock
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry

from ib_data.cards import SourceFile
from ib_data.console import note
from ib_data.errors import DataError

_MISMATCH = (
    "the copy was deleted; the host changed the file or the transfer was altered: try again, or lay the official file "
    "into a folder and name it with --source"
)
CHUNK_BYTES = 64 * 1024  # what a broken body loses at most
RETRIES = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
TIMEOUT_S = (15, 60)  # to connect, and between two packets


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
        return self.mirror is not None or self.place(file).exists()

    def fetch(self, file: SourceFile, dataset: str) -> Path:
        """The path of `file`, downloaded first where it is not there.

        Raises DataError when it cannot be had, or when what arrives is not of the expected size and checksum.
        """
        target = self.place(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.exists() or not self._is_official(file, dataset, target):
                self._download(file, dataset, target)
        return target

    def sha256(self, file: SourceFile) -> str:
        """The checksum of a fetched file: as recorded, or computed anew where the file is not the recorded one."""
        target = self.place(file)
        record = _Record.of(target)
        if record is None:
            record = _Record.write(target, sha256_of(target))
        return record.sha256

    def _is_official(self, file: SourceFile, dataset: str, target: Path) -> bool:
        """Whether what lies at a file's place may be used: a mirror's files must be its own, others are only named."""
        expected = self.checksums.get(file.url) if self.checksums is not None else file.sha256
        found = self.sha256(file)
        if expected in (None, found):
            return True
        if self.checksums is None:
            note(f"{dataset}: {target} is not the official file (sha256 {found}, official {expected}); used as it is")
        return self.checksums is None

    def _download(self, file: SourceFile, dataset: str, target: Path) -> None:
        part = _beside(target, ".part")
        address = self._address(file)
        if urlsplit(address).scheme == "file":
            _copy(Path(url2pathname(urlsplit(address).path)), part, dataset, address)
        else:
            _receive(address, part, dataset)
        digest = self._verify(file, dataset, part, _beside(target, ".sha256"))
        _beside(part, ".validator").unlink(missing_ok=True)
        part.replace(target)
        _Record.write(target, digest)

    def _address(self, file: SourceFile) -> str:
        if self.mirror is None:
            return file.url
        return f"{self.mirror.rstrip('/')}/{quote(file.place)}"

    def _verify(self, file: SourceFile, dataset: str, part: Path, record: Path) -> str:
        digest = sha256_of(part)
        if self.checksums is not None:
            checks: dict[str, tuple[object, object]] = {"sha256": (self.checksums.get(file.url), digest)}
        else:
            pinned = record.read_text().split()[0] if record.exists() else None
            checks = {"size": (file.num_bytes, part.stat().st_size), "sha256": (file.sha256 or pinned, digest)}
            if file.md5 and not file.sha256:
                checks["md5"] = (file.md5, _md5_of(part))
        for what, (expected, found) in checks.items():
            if expected is not None and expected != found:
                part.unlink()
                problem = f"{what} expected {expected}, found {found}"
                raise DataError(dataset, problem, file=self._address(file), remedy=_MISMATCH)
        return digest


@dataclass(frozen=True, slots=True)
class _Record:
    """`NAME.sha256`: checksum, size and time of a file, so that 13 GB are hashed once and a changed file again."""

    sha256: str

    @classmethod
    def of(cls, target: Path) -> "_Record | None":
        """The record of a file, None where there is none that fits it."""
        path = _beside(target, ".sha256")
        words = path.read_text().split() if path.exists() else []
        return cls(words[0]) if words[1:] == cls._version(target) else None

    @classmethod
    def write(cls, target: Path, digest: str) -> "_Record":
        """Record the checksum of a file as it is now."""
        _beside(target, ".sha256").write_text(" ".join([digest, *cls._version(target)]) + "\n")
        return cls(digest)

    @staticmethod
    def _version(target: Path) -> list[str]:
        stat = target.stat()
        return [str(stat.st_size), str(stat.st_mtime_ns)]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _md5_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _copy(source: Path, part: Path, dataset: str, address: str) -> None:
    if not source.is_file():
        raise DataError(dataset, "the mirror has no such file", file=address, remedy="check --mirror")
    shutil.copyfile(source, part)


def _receive(url: str, part: Path, dataset: str) -> None:
    """Bring the body of `url` into `part`, going on where an earlier attempt stopped."""
    retries = RETRIES
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
        while True:
            try:
                return _attempt(session, url, part, dataset)
            except requests.RequestException as error:
                if error.args and isinstance(error.args[0], MaxRetryError):  # gave up before a body began
                    raise _unreachable(dataset, url, str(error.args[0].reason)) from error
                # The body broke off: what arrived is kept, and the next attempt asks for the rest.
                try:
                    retries = retries.increment("GET", url, error=error)
                except HTTPError as last:
                    raise _unreachable(dataset, url, str(error)) from last
                retries.sleep()


def _attempt(session: requests.Session, url: str, part: Path, dataset: str) -> None:
    validator = _beside(part, ".validator")
    have = part.stat().st_size if part.exists() and validator.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:  # If-Range: the server sends the rest only of the very same file, and the whole of any other
        headers |= {"Range": f"bytes={have}-", "If-Range": validator.read_text()}
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code == 416:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return  # all of it is here already; what called us compares the checksum
            part.unlink()
            raise requests.RequestException("the server could not go on from the part that is here")
        if response.status_code not in (200, 206):
            raise _unreachable(dataset, url, f"HTTP status {response.status_code}")
        start = have if response.status_code == 206 else 0
        if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink()
            raise requests.RequestException("the server answered with another range than it was asked for")
        if not start:
            part.write_bytes(b"")  # before its validator is replaced: two versions must never meet in one file
        _remember(response, validator)
        length = int(response.headers.get("Content-Length") or 0)
        _check_space(part, length, dataset)
        with part.open("r+b") as out, _bar(url, start, start + length) as bar:
            out.seek(start)
            for chunk in response.iter_content(CHUNK_BYTES):
                out.write(chunk)
                bar.update(len(chunk))
            out.flush()
            os.fsync(out.fileno())


def _remember(response: requests.Response, validator: Path) -> None:
    """Keep what identifies this version of the file, for the `If-Range` of a later attempt."""
    tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if tag:
        validator.write_text(tag)
    else:
        validator.unlink(missing_ok=True)


def _bar(url: str, start: int, total: int) -> Any:
    name = url.rsplit("/", 1)[-1]
    return tqdm(desc=name, initial=start, total=total or None, unit="B", unit_scale=True, disable=None, leave=False)


def _check_space(part: Path, need: int, dataset: str) -> None:
    free = shutil.disk_usage(part.parent).free
    if need > free:
        problem = f"needs {need:,} bytes, the disk has {free:,} free"
        raise DataError(dataset, problem, file=part.name, remedy="free some space, or name another --home")


def _unreachable(dataset: str, url: str, why: str) -> DataError:
    remedy = "check the network and run the same command again, or lay the file into a folder and name it with --source"
    return DataError(dataset, f"cannot be downloaded ({why})", file=url, remedy=remedy)
