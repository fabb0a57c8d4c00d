"""Downloading one URL into one file, with resume; every answer is checked against the request.

requests does HTTP, with the proxies and certificates of the environment. For many official files nothing is known
except what HTTP says (length, range, ETag or Last-Modified), so an answer that does not fit is never kept: the download
starts again, and fails with one line if that does not help.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry

from ib_data.addresses import without_secrets, without_user
from ib_data.builders.source.web.get import is_chunked_body, length_of, seconds_of, wait
from ib_data.builders.source.web.partial_file import Version, validator_of
from ib_data.console import Progress, note, size_text
from ib_data.errors import DataError

CHUNK_BYTES = 64 * 1024
TIMEOUT_S = (15, 60)  # to connect, and between two packets
MAX_WAIT_S = 120.0  # the longest pause that a host may ask for
TOLD_WAIT_S = 5.0  # longer pauses are announced
PROGRESS_BYTES = 16 * 1024**2  # after this much more of the file, the attempts are counted from the start
_LATER = (408, 429, 500, 502, 503, 504)
# Temporary errors. The other errors of requests are about the address, or one that it redirects to.
_PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_LASTING = (requests.RequestException, HTTPError, ValueError)
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_WAYS_OUT = "run the same command again, or put the file into a folder and name it with --source"


class _AgainError(Exception):
    """An attempt did not complete the file: try again for the rest, after at least `wait_s` seconds."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class _Body:
    """The range of an answer: the bytes from `start` to `end` of `total` (None: unknown)."""

    start: int
    end: int | None
    total: int | None


class Download:
    """Downloads a URL into `part`; errors name `dataset`. `is_checked`: size or checksum are verified by the caller."""

    def __init__(self, url: str, part: Path, dataset: str, *, is_checked: bool) -> None:
        self.url, self.part, self.dataset, self.is_checked = url, part, dataset, is_checked
        self.num_answers = 0  # answers with bytes of the file

    def run(self, retries: Retry) -> bool:
        """Download the whole body; returns whether it was joined from several answers, earlier runs included.

        Raises DataError when `retries` is used up, and for permanent errors.
        """
        most, left = 0, retries
        self.num_answers = 1 if self._begun() else 0
        with requests.Session() as session:
            while True:
                try:
                    self._attempt(session)
                    return self.num_answers > 1
                except _AgainError as error:
                    size = self.part.stat().st_size if self.part.exists() else 0
                    if size >= most + PROGRESS_BYTES:
                        most, left = size, retries
                    try:
                        left = left.increment("GET", "", error=error)
                    except HTTPError:
                        raise self._failed(str(error)) from error
                    self._pause(left.get_backoff_time(), error)

    def _begun(self) -> tuple[int, Version] | None:
        """(number of bytes in the part, their version); None if the download starts at the first byte."""
        version = Version.of(self.part, self.url)
        have = self.part.stat().st_size if version and self.part.exists() else 0
        if not version or not have or (version.total is not None and have > version.total):
            return None
        return have, version

    def _attempt(self, session: requests.Session) -> None:
        begun = self._begun()
        have, version = begun or (0, None)
        if version and have == version.total:
            return
        headers = {"Accept-Encoding": "identity"}
        if version:  # If-Range: the server sends the rest if the file is unchanged, else the whole file
            headers |= {"Range": f"bytes={have}-", "If-Range": version.tag}
        with self._answer(session, headers) as response:
            if response.status_code == 416:
                return self._is_all_here(response, have, version)
            body = self._fitting(response, have, version)
            if not body.start:
                self.num_answers = 0
                self.part.write_bytes(b"")  # before its version is replaced, so that versions never mix in one file
                version = Version.told(response, self.url, body.total)
                version.keep(self.part)
            self._take(response, body)

    def _answer(self, session: requests.Session, headers: dict[str, str]) -> requests.Response:
        """The answer to a request; DataError for a permanent failure, _AgainError for a temporary one."""
        redirects: list[requests.Response] = []
        session.hooks["response"] = [lambda answer, **_: redirects.append(answer)]
        try:
            response = session.get(self.url, headers=headers, stream=True, timeout=TIMEOUT_S)
        except _PASSING as error:
            raise _AgainError(_reason(error)) from error
        except _LASTING as error:
            for answer in redirects:  # requests leaves the last redirect open
                answer.close()
            why = f"the address, or one that it redirects to, cannot be used: {_reason(error)}"
            raise self._failed(why) from error
        status = response.status_code
        if status in (200, 206, 416):
            return response
        response.close()
        if status in _LATER:
            raise _AgainError(f"HTTP status {status}", seconds_of(response.headers.get("Retry-After", "")))
        raise self._failed(f"HTTP status {status}")

    def _is_all_here(self, response: requests.Response, have: int, version: Version | None) -> None:
        """Accept "range not satisfiable" if it means that the part is complete; the caller verifies the checksum."""
        is_end = response.headers.get("Content-Range") == f"bytes */{have}"
        if not version or not is_end or version.differs(response) or version.total not in (None, have):
            raise self._misfit("the host could not continue from the part that is here")

    def _fitting(self, response: requests.Response, have: int, version: Version | None) -> _Body:
        """The range of an answer with status 200 or 206; _AgainError if it does not fit the request."""
        kind = response.headers.get("Content-Type", "").lower()
        if kind.startswith("multipart/byteranges"):
            raise self._misfit("the host sent several ranges instead of one")
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        # Some hosts declare the compression of an archive as its content encoding; the bytes are then the file itself.
        is_own = coding in ("gzip", "x-gzip") and self.part.name.endswith((".gz.part", ".tgz.part"))
        if coding not in ("", "identity") and not is_own:
            raise self._misfit(f"the host sent it encoded as {coding[:40]!r}, which was not requested")
        if response.status_code == 206:
            return self._rest(response, have, version)
        if is_chunked_body(response.headers):
            return _Body(0, None, None)
        length = length_of(response.headers)
        if length is None and not self.is_checked:
            raise self._failed("the host does not say how long the file is, so a cut download could not be detected")
        return _Body(0, length, length)

    def _rest(self, response: requests.Response, have: int, version: Version | None) -> _Body:
        """The range of a 206. It must start where the part ends; if it ends early, the next attempt asks for more."""
        told = response.headers.get("Content-Range", "")
        match = _RANGE.fullmatch(told.strip())
        if not version:
            raise self._misfit("the host sent a part of the file instead of all of it")
        if match is None or int(match[1]) != have or int(match[2]) < have:
            raise self._misfit(f"the host was asked for bytes {have}- and sent {told[:60]!r}")
        end, total = int(match[2]) + 1, None if match[3] == "*" else int(match[3])
        length = None if is_chunked_body(response.headers) else length_of(response.headers)
        if length not in (None, end - have) or (total is not None and end > total):
            raise self._misfit(f"the host sent {length} bytes as {told[:60]!r}")
        if total is not None and version.total not in (None, total):
            raise self._misfit(f"the host changed the file: its size is {total}, and was {version.total}")
        if other := version.differs(response):
            raise self._misfit(f"the host changed the file: {other}")
        return _Body(have, end, total if total is not None else version.total)

    def _take(self, response: requests.Response, body: _Body) -> None:
        """Append the bytes of an answer to the part; _AgainError if the file is still incomplete."""
        check_space(self.part, (body.end or 0) - body.start, self.dataset)
        received = body.start
        self.num_answers += 1
        with self.part.open("r+b") as out, Progress(self.url.rsplit("/", 1)[-1], body.total, "B", done=received) as bar:
            out.seek(received)
            for chunk in self._chunks(response):
                received += len(chunk)
                if body.end is not None and received > body.end:
                    break
                out.write(chunk)
                bar.add(len(chunk))
            out.flush()
            os.fsync(out.fileno())
        if body.end is not None and received > body.end:
            raise self._misfit(f"the host sent more than the {body.end - body.start} bytes that it announced")
        if body.end is not None and received < body.end:
            raise _AgainError(f"the connection ended after {received} of {body.end} bytes")
        if body.total is None and not body.start:  # chunked and complete, or verified by the caller
            return
        if received != body.total:
            known = "an unknown number of" if body.total is None else body.total
            raise _AgainError(f"the host sent the bytes up to {received} of {known}")

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as sent, not decoded."""
        try:
            yield from response.raw.stream(CHUNK_BYTES, decode_content=False)
        except (HTTPError, OSError, ValueError) as error:
            raise _AgainError(_reason(error)) from error

    def _misfit(self, why: str) -> _AgainError:
        """Delete the part, so that the next attempt asks for the whole file."""
        self.part.unlink(missing_ok=True)
        validator_of(self.part).unlink(missing_ok=True)
        self.num_answers = 0
        return _AgainError(why)

    def _pause(self, backoff_s: float, error: _AgainError) -> None:
        if error.wait_s > MAX_WAIT_S:
            asked = f"{error.wait_s:,.0f} s" if error.wait_s < 1e9 else "very long"
            problem = f"cannot be downloaded now ({error}): the host asks to come back later ({asked})"
            remedy = f"{_WAYS_OUT}; the downloaded part is kept"
            raise DataError(self.dataset, problem, file=without_user(self.url), remedy=remedy)
        pause = max(backoff_s, error.wait_s)
        if pause > TOLD_WAIT_S:
            note(f"{self.dataset}: {without_user(self.url)}: {error}; trying again in {pause:.0f} s")
        if pause:
            wait(pause)

    def _failed(self, why: str) -> DataError:
        remedy = f"check the network and {_WAYS_OUT}"
        return DataError(self.dataset, f"cannot be downloaded ({why})", file=without_user(self.url), remedy=remedy)


def check_space(part: Path, need: int, dataset: str) -> None:
    """Raise DataError if the disk of `part` has less than `need` bytes free."""
    free = shutil.disk_usage(part.parent).free
    if need > free:
        problem = f"needs {size_text(need)}, the disk has {size_text(free)} free"
        raise DataError(dataset, problem, file=str(part), remedy="free some space, or choose another --home")


def _reason(error: Exception) -> str:
    """The message of the innermost error, without secrets."""
    inner = error.args[0] if error.args else None
    return without_secrets(str(inner.reason if isinstance(inner, MaxRetryError) else error))
