"""One GET with limits on size and time, polite retries, and respect for opt-out headers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ib_data import __version__
from ib_data.addresses import without_user
from ib_data.errors import IbDataError, one_line

MAX_BYTES = 20_000_000
TIMEOUT_S = (5.0, 10.0)  # to connect, and between two packets
TRIES, LATER_TRIES = 2, 4  # for a host that is silent or breaks off; for one that says "come back later"
PAUSE_S = 2.0  # before the second try, doubled before each further one; still counts as a request to the host
MAX_REDIRECTS = 5
CHUNK_BYTES = 64 * 1024
DEAD, TOO_LARGE, TOO_SLOW, REFUSED = "dead link", "too large", "too slow", "refused by its host"
CUT = "cut off"
NO_ADDRESS = "no address"  # a dead link, found without asking a host
# Statuses that say nothing about the file: proxy login, request timeout, misdirected, too early, too many requests.
_LATER = (407, 408, 421, 425, 429)
# Values of `X-Robots-Tag` that forbid use in datasets (the four that img2dataset obeys).
_REFUSALS = {"noai", "noimageai", "noindex", "noimageindex"}
_FAULTS = (requests.RequestException, HTTPError, OSError, ValueError)  # ValueError: addresses that cannot be parsed


@dataclass(frozen=True, slots=True)
class Unsettled:
    """No verdict on a URL: `server` did not answer, or (not `is_silent`) said "come back later" (429, 5xx).

    `wait_s` is its Retry-After in seconds. `was_asked` is False if the server was not asked.
    """

    server: str
    is_silent: bool
    wait_s: float = 0.0
    was_asked: bool = True


def open_session(answered: set[str] | None = None) -> requests.Session:
    """A session with keep-alive, without cookies and with our User-Agent.

    Adds every server that gives any HTTP answer, even a redirect, to `answered`.
    """
    session = requests.Session()
    session.max_redirects = MAX_REDIRECTS
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": f"ib-data/{__version__} (data set builder)", "Accept-Encoding": "identity"})
    if answered is not None:
        session.hooks["response"].append(lambda response, **_: answered.add(server_of(response.url)))
    return session


def server_of(url: str) -> str:
    """SCHEME://HOST:PORT of a URL, or "". http and https are two servers, since they can fail separately."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}" if parts.scheme else ""


def wait(seconds: float) -> None:
    """Sleep for `seconds`."""
    Event().wait(seconds)


class Unended(bytes):
    """A body with neither a length nor chunking. It may be cut short."""


def get(session: requests.Session, url: str, deadline: float) -> bytes | str | Unsettled:
    """The bytes at `url`, a reason why there are none, or Unsettled if it must be asked again later.

    `deadline` is a time of `time.monotonic()`; there is no retry if a host asks for a longer pause. DEAD means that the
    host says there is nothing; CUT and TOO_SLOW may be temporary. `file:` addresses (a mirror in a folder) are read.
    Raises IbDataError if the proxy of the environment cannot be used.
    """
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        return NO_ADDRESS
    if scheme == "file":
        path = Path(url2pathname(urlsplit(url).path))
        return path.read_bytes() if path.is_file() else DEAD
    if scheme not in ("http", "https"):
        return NO_ADDRESS
    # A silent try that outlasts its timeouts hung in the DNS lookup; another one would only reach the deadline.
    most = sum(TIMEOUT_S)
    hangs_at = time.monotonic() + most
    later: Unsettled | None = None
    for attempt in range(LATER_TRIES):
        result = _try(session, url, deadline)
        if result not in (CUT, TOO_SLOW) and not isinstance(result, Unsettled):
            break
        pause = PAUSE_S * 2**attempt
        if isinstance(result, Unsettled) and not result.is_silent:
            later, pause = result, max(pause, result.wait_s)
            is_last = attempt + 1 == LATER_TRIES
        else:
            hung = isinstance(result, Unsettled) and time.monotonic() > hangs_at
            is_last = attempt + 1 >= TRIES or hung
        if is_last or time.monotonic() + pause + most > deadline:
            break
        wait(pause)
    # TOO_SLOW within the little time left after the pauses says nothing about the file.
    return later if later and result == TOO_SLOW else result


def _try(session: requests.Session, url: str, deadline: float) -> bytes | str | Unsettled:
    try:
        with session.get(url, stream=True, timeout=TIMEOUT_S) as response:
            if response.status_code >= 500 or response.status_code in _LATER:
                pause = seconds_of(response.headers.get("Retry-After", ""))
                return Unsettled(server_of(response.url), is_silent=False, wait_s=pause)
            if response.status_code != 200:
                return DEAD if response.status_code >= 300 else CUT  # such as 206 without a Range, or 202
            if _is_refused(response.headers.get("X-Robots-Tag", "")):
                return REFUSED
            return _body(response, deadline)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        if isinstance(error, requests.exceptions.InvalidProxyURL) or str(error).startswith("Missing dependencies"):
            problem = f"the proxy that the environment names cannot be used: {without_user(str(error))}"
            raise IbDataError(one_line(f"{problem}; see HTTP_PROXY, HTTPS_PROXY and ALL_PROXY")) from error
        return NO_ADDRESS
    except requests.TooManyRedirects:
        return DEAD
    except requests.exceptions.InvalidHeader:  # two different lengths
        return CUT
    except _FAULTS as error:
        if isinstance(error, ValueError) and not isinstance(error, requests.RequestException):
            return NO_ADDRESS  # a redirect to an invalid address
        request = getattr(error, "request", None)  # of the redirect that is silent
        return Unsettled(server_of(getattr(request, "url", None) or url), is_silent=True)


def seconds_of(retry_after: str) -> float:
    """A Retry-After (a number or a date) in seconds; 0.0 if it cannot be parsed."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)  # inf for too many digits
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def length_of(headers: Mapping[str, str]) -> int | None:
    """The Content-Length in bytes; None if it is missing or not a number.

    Proxies join two equal headers into "5, 5"; RFC 9110 (8.6) lets a client read that as 5.
    """
    values = {value.strip() for value in headers.get("Content-Length", "").split(",")}
    value = values.pop() if len(values) == 1 else ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def is_chunked_body(headers: Mapping[str, str]) -> bool:
    """Whether a body is chunked, so that its end is marked by an empty chunk."""
    return "chunked" in headers.get("Transfer-Encoding", "").lower()


def _is_refused(header: str) -> bool:
    """Whether the tag forbids use for everybody ("noai, noindex"), not only for one crawler ("somebot: noindex")."""
    return bool(_REFUSALS & {word.strip().lower() for word in header.split(",")})


def _body(response: requests.Response, deadline: float) -> bytes | str:
    """The body. `read1` returns what has arrived, so that a host that sends one byte a second hits the deadline."""
    data = bytearray()
    length, is_chunked = length_of(response.headers), is_chunked_body(response.headers)
    if not is_chunked and length is not None and length > MAX_BYTES:
        return TOO_LARGE
    try:
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            data += chunk
            if len(data) > MAX_BYTES:
                return TOO_LARGE
            if time.monotonic() > deadline:
                return TOO_SLOW
    except ReadTimeoutError:  # the host answered, then fell silent
        return TOO_SLOW
    except _FAULTS:
        return CUT
    if not is_chunked and length not in (None, response.raw.tell()):
        return CUT
    return bytes(data) if is_chunked or length is not None else Unended(data)
