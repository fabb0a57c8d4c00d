"""The threads of a crawl: they take URLs in turn, limit requests per host, and give up requests that hang."""

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import requests

from ib_data.builders.source.web import get as web
from ib_data.builders.source.web.crawl_record import NOT_AN_IMAGE, TOO_SMALL, Record
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.source.web.get import CUT, NO_ADDRESS, TOO_SLOW, Unsettled
from ib_data.cards import place_of
from ib_data.media.faults import MediaError
from ib_data.media.opened_image import open_image

THREADS = 32  # at most 640 MB of images in memory
PER_HOST = 4  # concurrent requests to one host
MAX_SECONDS = 60.0  # per image, from the first request to the last byte, retries and redirects included
WATCH_S = 1.0  # how often to look for requests that hang despite their own limits
MAX_HELD = 10_000  # URLs of busy hosts that are set aside so that others can proceed
MIN_SIDE_PX = 32

Result: TypeAlias = Path | str | Unsettled


@dataclass(eq=False, slots=True)
class _Job:
    """A running request, started at `began` (monotonic seconds)."""

    url: str
    host: str
    began: float = field(default_factory=time.monotonic)


class CrawlThreads:
    """Threads that fetch URLs, at most PER_HOST of one host at a time."""

    def __init__(self, urls: list[str], kind: str, fetcher: Fetcher, record: Record) -> None:
        self.urls = iter(urls)
        self.num_urls = len(urls)
        self.kind, self.fetcher, self.record = kind, fetcher, record
        self.held: dict[str, deque[str]] = {}
        self.num_held = 0
        self.jobs: set[_Job] = set()
        self.busy: Counter[str] = Counter()
        self.changed = threading.Condition()
        self.is_over = False
        self.answered = set() if fetcher.mirror else set(record.servers)
        self.resting: set[str] = set()  # shared with `Verdicts`, which fills it
        self.done: queue.Queue[tuple[str, Result] | BaseException] = queue.Queue()

    def results(self) -> Generator[tuple[str, Result], None, None]:
        """(URL, its file, reason or Unsettled) for all URLs, as they finish."""
        try:
            for _ in range(min(THREADS, self.num_urls)):
                self._start()
            for _ in range(self.num_urls):
                yield self._next_result()
        finally:
            with self.changed:
                self.is_over = True
                self.changed.notify_all()

    def _start(self) -> None:
        # A daemon, since a thread that hangs in a system call must not keep the program alive.
        threading.Thread(target=self._work, daemon=True).start()

    def _next_result(self) -> tuple[str, Result]:
        while True:
            self._give_up_what_hangs()
            try:
                result = self.done.get(timeout=WATCH_S)
            except queue.Empty:
                continue
            if isinstance(result, BaseException):
                raise result
            return result

    def _give_up_what_hangs(self) -> None:
        with self.changed:
            overdue = [job for job in self.jobs if time.monotonic() - job.began > MAX_SECONDS + WATCH_S]
        for job in overdue:
            if self._end(job):
                self.done.put((job.url, TOO_SLOW))
                self._start()  # replaces the thread that hangs

    def _work(self) -> None:
        try:
            with web.open_session(self.answered) as session:
                while (job := self._next_job()) is not None:
                    result = self._bytes(session, job)
                    if not self._end(job):
                        return
                    kept = self.record.keep(job.url, result) if isinstance(result, bytes) else result
                    self.done.put((job.url, kept))
        except BaseException as error:  # such as a full disk: raise it in the calling thread
            self.done.put(error)

    def _bytes(self, session: requests.Session, job: _Job) -> bytes | str | Unsettled:
        address = address_of(job.url, self.fetcher)
        if (server := web.server_of(address)) in self.resting:
            return Unsettled(server, is_silent=True, was_asked=False)
        result = web.get(session, address, job.began + MAX_SECONDS)
        problem = _problem(result, self.kind) if isinstance(result, bytes) else None
        return result if problem is None else CUT if isinstance(result, web.Unended) else problem

    def _next_job(self) -> _Job | None:
        """The next URL whose host is below PER_HOST; None if there are no more."""
        with self.changed:
            while not self.is_over:
                url = self._choose()
                if url is not None:
                    job = _Job(url, _host(url))
                    self.busy[job.host] += 1
                    self.jobs.add(job)
                    return job
                if not self.num_held:
                    return None
                self.changed.wait()
            return None

    def _choose(self) -> str | None:
        for host, urls in self.held.items():
            if self.busy[host] < PER_HOST:
                held = urls.popleft()
                self.num_held -= 1
                if not urls:
                    del self.held[host]
                return held
        while self.num_held < MAX_HELD and (url := next(self.urls, None)) is not None:
            if self.busy[host := _host(url)] < PER_HOST:
                return url
            self.held.setdefault(host, deque()).append(url)
            self.num_held += 1
        return None

    def _end(self, job: _Job) -> bool:
        """Remove a finished job; False if it was already given up."""
        with self.changed:
            if job not in self.jobs:
                return False
            self.jobs.remove(job)
            self.busy[job.host] -= 1
            if not self.busy[job.host]:
                del self.busy[job.host]
            self.changed.notify_all()
            return True


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def address_of(url: str, fetcher: Fetcher) -> str:
    """The address to ask: the URL itself, or HOST/PATH without the query on a mirror."""
    if fetcher.mirror is None:
        return url
    try:
        return f"{fetcher.mirror.rstrip('/')}/{quote(place_of(url))}"
    except ValueError:
        return url


def has_answer(address: str) -> bool:
    """Whether an address gives any answer now."""
    with web.open_session() as session:
        result = web.get(session, address, time.monotonic() + MAX_SECONDS)
    return not isinstance(result, Unsettled) and result not in (NO_ADDRESS, TOO_SLOW)


def _problem(data: bytes, kind: str) -> str | None:
    """Why a body is not a usable image or clip; None if it may be one."""
    if not data:
        return TOO_SMALL
    if kind != "image":
        return None
    try:
        opened = open_image(data)
    except MediaError:
        return NOT_AN_IMAGE
    return TOO_SMALL if min(opened.width, opened.height) < MIN_SIDE_PX else None
