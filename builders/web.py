"""One file from the web: a GET with ceilings on size and time, that asks a host politely and obeys its refusal."""

import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ib_data import __version__

MAX_BYTES = 20_000_000
TIMEOUT_S = (5.0, 10.0)  # to connect, and between two packets
TRIES = 2
PAUSE_S = 2.0  # before another try; while it lasts, the place at the host stays taken
MAX_REDIRECTS = 5
CHUNK_BYTES = 64 * 1024
DEAD, TOO_LARGE, TOO_SLOW, REFUSED = "dead link", "too large", "too slow", "refused by its host"
NO_ANSWER = "no answer"  # the host, or the network; said of one try
# What a host may say in `X-Robots-Tag` of a file that data sets shall not take (the four that img2dataset obeys).
_REFUSALS = {"noai", "noimageai", "noindex", "noimageindex"}
_FAULTS = (requests.RequestException, HTTPError, OSError, ValueError)  # ValueError: addresses that cannot be parsed


def open_session() -> requests.Session:
    """A session that keeps connections and no cookies, and says who asks."""
    session = requests.Session()
    session.max_redirects = MAX_REDIRECTS
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": f"ib-data/{__version__} (data set builder)", "Accept-Encoding": "identity"})
    return session


def get(session: requests.Session, url: str, deadline: float) -> bytes | str:
    """The bytes at `url`, or a word that says why there are none.

    `deadline` is a moment of `time.monotonic()`. NO_ANSWER is the host's silence or its "come back later" (5xx, 429)
    in every try; DEAD is its word that there is nothing. `file:` addresses (a mirror in a folder) are read.
    """
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        return DEAD
    if scheme == "file":
        path = Path(url2pathname(urlsplit(url).path))
        return path.read_bytes() if path.is_file() else DEAD
    result: bytes | str = DEAD
    for attempt in range(TRIES if scheme in ("http", "https") else 0):
        left = deadline - time.monotonic()
        if attempt and (left <= 0 or Event().wait(min(PAUSE_S, left))):
            break
        result = _try(session, url, deadline)
        if result != NO_ANSWER:
            break
    return result


def _try(session: requests.Session, url: str, deadline: float) -> bytes | str:
    try:
        with session.get(url, stream=True, timeout=TIMEOUT_S) as response:
            if response.status_code >= 500 or response.status_code == 429:
                return NO_ANSWER
            if response.status_code != 200:
                return DEAD
            if _is_refused(response.headers.get("X-Robots-Tag", "")):
                return REFUSED
            if int(response.headers.get("Content-Length") or 0) > MAX_BYTES:
                return TOO_LARGE
            return _body(response, deadline)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.TooManyRedirects):
        return DEAD
    except ReadTimeoutError:  # of the body: the host answered, then fell silent
        return TOO_SLOW
    except _FAULTS:
        return NO_ANSWER


def _is_refused(header: str) -> bool:
    """Whether the tag speaks to everybody ("noai, noindex"), not to one crawler by its name ("somebot: noindex")."""
    return bool(_REFUSALS & {word.strip().lower() for word in header.split(",")})


def _body(response: requests.Response, deadline: float) -> bytes | str:
    """The body. `read1` returns what has arrived, so that a host that sends a byte a second meets the deadline."""
    data = bytearray()
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
        data += chunk
        if len(data) > MAX_BYTES:
            return TOO_LARGE
        if time.monotonic() > deadline:
            return TOO_SLOW
    return bytes(data)
