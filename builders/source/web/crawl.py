"""Fetching single images by their URLs, many at a time: politely, with ceilings, and never twice.

img2dataset 1.47 was read first; it is not used, for these reasons. It counts images by their place in a list and writes
shards of its own, 10,000 at a time; a killed run begins an unfinished shard again. What is needed here are the bytes
of a URL, whichever list names it, and after a kill to continue at the very next one. It reads a body with one `read()`:
no ceiling on size, and none on time but the pause between two packets. It asks one host with all its threads (256),
keeps errors as free texts, and requires OpenCV, albumentations, pandas, wandb and webdataset below 0.3 (we test with
1.0).
Taken from it: one row a URL with its status, and the refusal in `X-Robots-Tag`. Like it, this reads no robots.txt.

Every URL ends as a file under `downloads/crawled`, or as a line of `status.tsv` there; both are kept, so that what a
host has said is asked once. Delete `status.tsv` to ask it again. A body that was cut off or too slow, and the silence
of a host, may be of the moment: such a URL is dropped with that reason, and asked again by later runs until it has
failed on three days. "Come back later" and the silence of a host that has answered before are neither: the run ends in
an error that says so, and the next one asks again. What a mirror lacks is not recorded at all.
"""

from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from ib_data.addresses import without_user
from ib_data.builders.source.web.crawl_record import Record, Verdicts, digest_of
from ib_data.builders.source.web.crawl_threads import CrawlThreads, address_of, has_answer
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.cards import place_of
from ib_data.errors import IbDataError, one_line


def crawl(urls: Iterable[str], kind: str, fetcher: Fetcher, allow_missing: bool = False) -> dict[str, Path | str]:
    """The file of every URL, or the reason why there is none (one of `crawl_record.REASONS`).

    IbDataError when URLs are to be asked again later; what has arrived is kept, and the next call continues from there.
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
    run = CrawlThreads(left, kind, fetcher, record)
    verdicts = Verdicts(record, known, run.answered, partial(address_of, fetcher=fetcher), has_answer)
    run.resting = verdicts.resting
    with closing(run.results()) as results, tqdm(total=len(left), unit="file", disable=None, leave=False) as bar:
        for num, (url, result) in enumerate(results, start=1):
            verdicts.take(url, result, len(left) - num)
            bar.update()
    verdicts.close(allow_missing)
    return known


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
