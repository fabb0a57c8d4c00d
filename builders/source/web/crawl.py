"""Fetching single images by URL, many at a time: politely, with limits, and never twice.

Why not img2dataset 1.47: it identifies images by their place in a list and writes its own shards of 10,000, so that a
killed run starts an unfinished shard again; here we need the bytes of a URL, whichever list names it, and to resume at
the next one. It reads a body with one `read()`, without a limit on size or on total time. It may ask one host with all
256 threads, stores errors as free text, and requires OpenCV, albumentations, pandas, wandb and webdataset below 0.3 (we
test with 1.0). Taken from it: one status row per URL, and respect for `X-Robots-Tag`. Neither reads robots.txt.

Every URL ends as a file under `downloads/crawled` or as a line of `status.tsv` there, so that it is asked only once.
Delete `status.tsv` to ask failed ones again. A body that was cut off or too slow, and a silent host, may be temporary:
the URL is dropped with that reason, and later runs ask again until it has failed on three days. "Come back later", and
silence of a host that has answered before, end the run in an error, and the next run asks again. Files missing on a
mirror are not recorded.
"""

from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from ib_data.addresses import without_user
from ib_data.builders.source.web.crawl_record import Record, Verdicts, digest_of
from ib_data.builders.source.web.crawl_threads import CrawlThreads, address_of, has_answer
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.cards import place_of
from ib_data.console import Progress
from ib_data.errors import IbDataError, one_line


def crawl(urls: Iterable[str], kind: str, fetcher: Fetcher, allow_missing: bool = False) -> dict[str, Path | str]:
    """The file of every URL, or the reason why there is none (one of `crawl_record.REASONS`).

    Raises IbDataError if URLs must be asked again later; finished ones are kept, and the next call continues. With
    `allow_missing` those URLs are left out of the result and not recorded. Raises IbDataError, too, if a mirror has the
    same place for two URLs.
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
    left.sort(key=digest_of)  # mixes the hosts
    if left and fetcher.mirror is not None:
        _check_places(urls)
    run = CrawlThreads(left, kind, fetcher, record)
    verdicts = Verdicts(record, known, run.answered, partial(address_of, fetcher=fetcher), has_answer)
    run.resting = verdicts.resting
    with closing(run.results()) as results, Progress("fetching files by URL", len(left), "file") as bar:
        for num, (url, result) in enumerate(results, start=1):
            verdicts.take(url, result, len(left) - num)
            bar.add()
    verdicts.close(allow_missing)
    return known


def _check_places(urls: Iterable[str]) -> None:
    """Raise IbDataError if two URLs differ only in the query: a mirror has one file for both."""
    queries: dict[str, tuple[str, str]] = {}
    for url in sorted(urls):
        try:
            place, query = place_of(url), urlsplit(url).query
        except ValueError:
            continue
        first, other = queries.setdefault(place, (url, query))
        if other != query:
            both = without_user(f"{first} from {url}")
            problem = f"{place}: a mirror has one file there, and cannot distinguish {both}"
            raise IbDataError(one_line(f"{problem}; build without --mirror"))
