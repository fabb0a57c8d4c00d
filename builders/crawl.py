"""Fetching single images by their URLs, many at a time: politely, with ceilings, and never twice.

img2dataset was looked at first. It writes shards of its own (its keys, its JSON, images re-encoded by default); what is
needed here is the bytes as the host sends them, addressed by URL, one status a row, going on after a kill. That is this
one file over `requests` and a thread pool.

Every URL ends as a file, or as a status of a few fixed words; both are kept, so a dead link is asked once. Delete
`downloads/crawled` to ask again.
"""

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests
from tqdm import tqdm

from ib_data.builders.fetch import Fetcher
from ib_data.builders.pictures import MediaError, open_picture
from ib_data.cards import place_of

THREADS = 16
PER_HOST = 4  # requests at a time to one host
MAX_BYTES = 20_000_000
MAX_SECONDS = 30.0
MIN_SIDE_PX = 32
TIMEOUT_S = (5, 10)
TRIES = 2
DEAD, NOT_AN_IMAGE, TOO_SMALL, TOO_LARGE, TOO_SLOW = "dead link", "not an image", "too small", "too large", "too slow"


def crawl(urls: Iterable[str], kind: str, fetcher: Fetcher) -> dict[str, Path | str]:
    """The file of every URL, or the reason why there is none (one of the five words above)."""
    wanted = sorted(set(urls))
    folder = fetcher.downloads / "crawled"
    known = {url: found for url in wanted if (found := _known(folder, url))}
    hosts: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(PER_HOST))
    for url in wanted:  # made here: the dict is only read by the threads
        hosts[urlsplit(url).netloc]

    def one(url: str) -> tuple[str, Path | str]:
        with hosts[urlsplit(url).netloc]:
            return url, _fetch(folder, url, kind, fetcher)

    left = [url for url in wanted if url not in known]
    with ThreadPoolExecutor(THREADS) as pool, tqdm(total=len(left), unit="file", disable=None, leave=False) as bar:
        for url, result in pool.map(one, left):
            known[url] = result
            bar.update()
    return known


def _paths(folder: Path, url: str) -> tuple[Path, Path]:
    """Where the bytes of a URL lie, and where its status does."""
    digest = hashlib.sha256(url.encode()).hexdigest()
    path = folder / digest[:2] / digest[2:]
    return path, path.with_suffix(".status")


def _known(folder: Path, url: str) -> Path | str | None:
    path, status = _paths(folder, url)
    if path.exists():
        return path
    return status.read_text().strip() if status.exists() else None


def _fetch(folder: Path, url: str, kind: str, fetcher: Fetcher) -> Path | str:
    path, status = _paths(folder, url)
    path.parent.mkdir(parents=True, exist_ok=True)
    result = _bytes(_address(url, fetcher))
    if isinstance(result, bytes):
        problem = _problem(result) if kind == "image" else None
        if problem is None:
            _write(path, result)
            return path
        result = problem
    _write(status, result.encode())
    return result


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)


def _address(url: str, fetcher: Fetcher) -> str:
    if fetcher.mirror is None:
        return url
    return f"{fetcher.mirror.rstrip('/')}/{quote(place_of(url))}"


def _bytes(url: str) -> bytes | str:
    """The body of a URL, or a status."""
    for _ in range(TRIES):
        try:
            with requests.get(url, stream=True, timeout=TIMEOUT_S) as response:
                if response.status_code == 200:
                    return _body(response)
                if response.status_code < 500:
                    return DEAD
        except requests.RequestException:
            continue
    return DEAD


def _body(response: requests.Response) -> bytes | str:
    began = time.monotonic()
    data = bytearray()
    for chunk in _chunks(response):
        data += chunk
        if len(data) > MAX_BYTES:
            return TOO_LARGE
        if time.monotonic() - began > MAX_SECONDS:
            return TOO_SLOW
    return bytes(data)


def _chunks(response: requests.Response) -> Iterator[bytes]:
    yield from response.iter_content(64 * 1024)


def _problem(data: bytes) -> str | None:
    try:
        opened = open_picture(data)
    except MediaError:
        return NOT_AN_IMAGE
    return TOO_SMALL if min(opened.width, opened.height) < MIN_SIDE_PX else None
