"""Fetching single images by their URLs, many at a time: politely, with ceilings, and never twice.

img2dataset 1.47 was read first; it is not used, for these reasons. It counts images by their place in a list and writes
shards of its own, 10,000 at a time; a killed run begins an unfinished shard anew. What is needed here are the bytes of
a URL, whichever list names it, and to go on after a kill at the very next one. It reads a body with one `read()`: no
ceiling on size, and none on time but the pause between two packets. It asks one host with all its threads (256), keeps
errors as free texts, and requires OpenCV, albumentations, pandas, wandb and webdataset below 0.3 (we test with 1.0).
Taken from it: one row a URL with its status, and the refusal in `X-Robots-Tag`. Like it, this reads no robots.txt.

Every URL ends as a file under `downloads/crawled`, or as a line of `status.tsv` there; both are kept, so that what a
host has said is asked once. Delete `status.tsv` to ask it again. A body that was cut off or too slow, and the silence
of a host, may be of the moment: such a URL is dropped with that reason, and asked again by later runs until it has
failed on three days. "Come back later" and the silence of a host that has answered before are neither: the run ends in
an error that says so, and the next one asks again. What a mirror lacks is not recorded at all.
"""

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import requests
from tqdm import tqdm

from ib_data.addresses import without_user
from ib_data.builders.source.web import get as web
from ib_data.builders.source.web.crawl_record import NOT_AN_IMAGE, TOO_SMALL, Record, Verdicts, digest_of
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.source.web.get import CUT, NO_ADDRESS, TOO_SLOW, Unsettled
from ib_data.cards import place_of
from ib_data.errors import IbDataError, one_line
from ib_data.media.faults import MediaError
from ib_data.media.opened_image import open_image

THREADS = 32  # and so at most 640 MB of images in memory
PER_HOST = 4  # requests at a time to one host
MAX_SECONDS = 60.0  # for one image, from the first request to the last byte, tries and redirects included
WATCH_S = 1.0  # how often the watch looks for a request that hangs where no ceiling of its own reaches it
MAX_HELD = 10_000  # URLs of busy hosts that are put aside so that others can go on
MIN_SIDE_PX = 32

Result: TypeAlias = Path | str | Unsettled


def crawl(urls: Iterable[str], kind: str, fetcher: Fetcher, allow_missing: bool = False) -> dict[str, Path | str]:
    """The file of every URL, or the reason why there is none (one of `crawled.REASONS`).

    IbDataError when URLs are to be asked again later; what has arrived is kept, and the next call goes on from there.
    With `allow_missing` those URLs are simply not in the result, and nothing is recorded of them.
    IbDataError too when the mirror cannot tell two of them apart.
    """
    urls = set(urls)
    record = Record(fetcher.downloads / "crawled")
    known: dict[str, Path | str] = {}
    left: list[str] = []
    for url in urls:
        found = record.known(url)
        if found is None:
            left.append(url)
        else:
            known[url] = found
    left.sort(key=digest_of)  # in an order that mixes the hosts
    if left and fetcher.mirror is not None:
        _check_places(urls)
    run = _Run(left, kind, fetcher, record)
    verdicts = Verdicts(record, known, run.answered, partial(_address, fetcher=fetcher), _has_answer)
    run.resting = verdicts.resting
    with closing(run.results()) as results, tqdm(total=len(left), unit="file", disable=None, leave=False) as bar:
        for num, (url, result) in enumerate(results, start=1):
            verdicts.take(url, result, len(left) - num)
            bar.update()
    verdicts.close(allow_missing)
    return known


@dataclass(eq=False, slots=True)
class _Job:
    """A request under way, from `began` (monotonic seconds)."""

    url: str
    host: str
    began: float = field(default_factory=time.monotonic)


class _Run:
    """Threads that take URLs in turn, never more than PER_HOST of one host at a time."""

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
        self.resting: set[str] = set()  # filled by who judges the results
        self.done: queue.Queue[tuple[str, Result] | BaseException] = queue.Queue()

    def results(self) -> Generator[tuple[str, Result], None, None]:
        """(URL, file, reason or Unsettled) of all URLs, as they come."""
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
        # A daemon: a thread that hangs in a system call must not keep the program from ending.
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
                self._start()  # in the place of the thread that hangs

    def _work(self) -> None:
        try:
            with web.open_session(self.answered) as session:
                while (job := self._next_job()) is not None:
                    result = self._bytes(session, job)
                    if not self._end(job):
                        return
                    kept = self.record.keep(job.url, result) if isinstance(result, bytes) else result
                    self.done.put((job.url, kept))
        except BaseException as error:  # of a full disk, say: it belongs to the caller, not to this thread
            self.done.put(error)

    def _bytes(self, session: requests.Session, job: _Job) -> bytes | str | Unsettled:
        address = _address(job.url, self.fetcher)
        if (server := web.server_of(address)) in self.resting:
            return Unsettled(server, is_silent=True, was_asked=False)
        result = web.get(session, address, job.began + MAX_SECONDS)
        problem = _problem(result, self.kind) if isinstance(result, bytes) else None
        return result if problem is None else CUT if isinstance(result, web.Unended) else problem

    def _next_job(self) -> _Job | None:
        """The next URL whose host has a place free; None when there are no more."""
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
        """Free the place of a job; False where it was given up before."""
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


def _address(url: str, fetcher: Fetcher) -> str:
    """Where to ask: a mirror has it at HOST/PATH, without the query."""
    if fetcher.mirror is None:
        return url
    try:
        return f"{fetcher.mirror.rstrip('/')}/{quote(place_of(url))}"
    except ValueError:
        return url


def _has_answer(address: str) -> bool:
    with web.open_session() as session:
        result = web.get(session, address, time.monotonic() + MAX_SECONDS)
    return not isinstance(result, Unsettled) and result not in (NO_ADDRESS, TOO_SLOW)


def _check_places(urls: Iterable[str]) -> None:
    """IbDataError where two URLs differ in the query only: a mirror has one file for both."""
    queries: dict[str, tuple[str, str]] = {}
    for url in sorted(urls):
        try:
            place, query = place_of(url), urlsplit(url).query
        except ValueError:
            continue
        first, other = queries.setdefault(place, (url, query))
        if other != query:
            both = without_user(f"{first} from {url}")
            problem = f"{place}: a mirror keeps one file there, and cannot tell {both}"
            raise IbDataError(one_line(f"{problem}; build without --mirror"))


def _problem(data: bytes, kind: str) -> str | None:
    """Why a body is no image or clip to keep, None where it may be one."""
    if not data:
        return TOO_SMALL
    if kind != "image":
        return None
    try:
        opened = open_image(data)
    except MediaError:
        return NOT_AN_IMAGE
    return TOO_SMALL if min(opened.width, opened.height) < MIN_SIDE_PX else None
