"""Crawling: every URL gives a file or a reason, requests per host are limited, and no URL is asked twice."""

import io
import socket
import time
from collections import Counter
from pathlib import Path

import pytest
from official import photo
from PIL import Image

from ib_data.builders.source.web import crawl_record as crawled
from ib_data.builders.source.web import crawl_threads as crawling
from ib_data.builders.source.web import get as web
from ib_data.builders.source.web.crawl import crawl
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.errors import IbDataError


def test_every_url_gives_a_file_or_a_reason(site, fetcher, monkeypatch) -> None:
    monkeypatch.setattr(web, "MAX_BYTES", 300_000)
    monkeypatch.setattr(web, "TIMEOUT_S", (5, 1))
    expected = {
        "ok/1?size=2": None, "once/1": None, "moved/1": None, "another/1": None,
        "gone/1": "dead link", "cut/1": "cut off", "loop/1": "dead link",
        "page/1": "not an image", "tiny/1": "too small", "huge/1": "too large", "endless/1": "too large",
        "stall/1": "too slow", "refuse/1": "refused by its host",
    }  # fmt: skip
    found = crawl([f"{site.url}/{path}" for path in expected], "image", fetcher)
    for path, reason in expected.items():
        result = found[f"{site.url}/{path}"]
        assert isinstance(result, Path) if reason is None else result == reason, (path, result)
    assert [site.asked[f"/{kind}/1"] for kind in ("gone", "cut", "stall")] == [1, 2, 2]
    assert found[f"{site.url}/ok/1?size=2"].read_bytes() == photo(len("/ok/1?size=2"))
    assert all(agent.startswith("ib-data/") for agent in site.agents)
    assert not list(fetcher.downloads.rglob("*.part"))


@pytest.mark.parametrize("path", ["drip/1", "headers/1"])
def test_a_slow_body_or_header_hits_the_deadline(site, fetcher, monkeypatch, path: str) -> None:
    monkeypatch.setattr(crawling, "MAX_SECONDS", 0.1)
    monkeypatch.setattr(crawling, "WATCH_S", 0.02)
    began = time.monotonic()
    assert crawl([f"{site.url}/{path}"], "image", fetcher) == {f"{site.url}/{path}": "too slow"}
    assert time.monotonic() - began < 5


def test_a_hanging_request_does_not_block_its_host(site, fetcher, monkeypatch) -> None:
    # Those that hang began long ago: a short limit would also meet the others where the machine is busy.
    began, job = {"ok": 0.0, "headers": -1000.0}, crawling._Job
    monkeypatch.setattr(crawling, "_Job", lambda url, host: job(url, host, time.monotonic() + began[url.split("/")[3]]))
    monkeypatch.setattr(crawling, "WATCH_S", 0.02)
    monkeypatch.setattr(crawling, "THREADS", 4)
    urls = [f"{site.url}/{kind}/{i}" for i in range(8) for kind in ("ok", "headers")]
    found = crawl(urls, "image", fetcher)
    assert Counter(str(result) for result in found.values() if isinstance(result, str)) == {"too slow": 8}


def test_invalid_addresses_are_dead_links(site, fetcher, monkeypatch) -> None:
    look_up = socket.getaddrinfo

    def nobody(host: str, *more: object, **how: object) -> object:
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return look_up(host, *more, **how)

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    hosts = ["a" * 70 + ".example", "exa\x00mple.org", "\u200b", ".", "a..b", "x:99999", "x:y", "[1]", "%zz", "a b"]
    odd = ["", "no address", "ftp://example.org/a.jpg", "http://[::1/a.jpg", "http:///a.jpg", "//x/a.jpg", "http://"]
    odd += [f"http://{host}/a.jpg" for host in hosts]
    found = crawl([*odd, f"{site.url}/ok/1"], "image", fetcher)
    assert {url: found[url] for url in odd} == dict.fromkeys(odd, "dead link")
    assert isinstance(found[f"{site.url}/ok/1"], Path)
    mirrored = crawl(odd, "image", Fetcher(downloads=fetcher.downloads / "mirrored", mirror=site.url + "/gone"))
    assert mirrored == dict.fromkeys(odd, "dead link")


def test_no_url_is_asked_twice_not_even_a_dead_link(site, fetcher) -> None:
    urls = [f"{site.url}/{kind}/{i}" for i in range(5) for kind in ("ok", "gone", "page")]
    first = crawl(urls, "image", fetcher)
    again = crawl([*urls, f"{site.url}/ok/new"], "image", fetcher)
    assert {url: again[url] for url in urls} == first
    assert set(site.asked.values()) == {1}
    (fetcher.downloads / "crawled" / "status.tsv").unlink()
    crawl(urls, "image", fetcher)
    assert site.asked["/gone/1"] == 2
    assert site.asked["/ok/1"] == 1


def test_a_killed_crawl_resumes(site, fetcher, monkeypatch) -> None:
    """The kill is an exception from the tenth write; a file half-written and half a line of the record stay behind."""
    urls = [f"{site.url}/ok/{i}" for i in range(20)] + [f"{site.url}/gone/{i}" for i in range(20)]
    keep = crawling.Record.keep
    written: list[str] = []

    def dies(self: crawling.Record, url: str, data: bytes) -> Path:
        written.append(url)
        if len(written) > 10:
            raise KeyboardInterrupt
        return keep(self, url, data)

    with monkeypatch.context() as patch:
        patch.setattr(crawling.Record, "keep", dies)
        patch.setattr(crawling, "THREADS", 1)
        with pytest.raises(KeyboardInterrupt):
            crawl(urls, "image", fetcher)
    folder = fetcher.downloads / "crawled"
    with (folder / "status.tsv").open("a") as log:
        log.write("0123abcd")
    (folder / "000").mkdir(exist_ok=True)
    (folder / "000" / ("f" * 61 + ".1.part")).write_bytes(b"half")
    before = Counter(site.asked)
    found = crawl(urls, "image", fetcher)
    assert Counter(type(result) is str for result in found.values()) == {True: 20, False: 20}
    there = set(written[:10])
    assert not [url for url in there if site.asked[url.removeprefix(site.url)] != before[url.removeprefix(site.url)]]
    assert crawl(urls, "image", fetcher) == found


def test_requests_to_one_host_are_limited(site, fetcher, monkeypatch) -> None:
    monkeypatch.setattr(crawling, "PER_HOST", 3)
    site.release_when = 3
    urls = [f"{site.url}/together/{i}" for i in range(30)]
    assert all(isinstance(result, Path) for result in crawl(urls, "image", fetcher).values())
    assert site.most_at_once == 3


def test_a_busy_host_does_not_block_others(site, fetcher, monkeypatch) -> None:
    """Every place at one host is taken until the other host (the same server by another name) has served all."""
    monkeypatch.setattr(crawling, "THREADS", 8)
    site.release_when = 40
    other = site.url.replace("127.0.0.1", "localhost")
    urls = [f"{site.url}/held/{i}" for i in range(30)] + [f"{other}/counted/{i}" for i in range(40)]
    assert all(isinstance(result, Path) for result in crawl(urls, "image", fetcher).values())
    assert site.release.is_set()
    assert not site.late


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every URL that is asked for, whether or not anybody is there."""
    urls: list[str] = []
    get = web.get
    monkeypatch.setattr(web, "get", lambda session, url, deadline: urls.append(url) or get(session, url, deadline))
    return urls


NOBODY = "http://127.0.0.1:9"


def recorded(fetcher: Fetcher) -> list[str]:
    """Why URLs are held to have no file."""
    log = fetcher.downloads / "crawled" / "status.tsv"
    return [line.split("\t")[1] for line in log.read_text().splitlines()] if log.exists() else []


def test_a_network_outage_is_not_a_dead_link(fetcher, site) -> None:
    urls = ["no address", "http:///a.jpg", *(f"{NOBODY}/{i}" for i in range(3))]
    with pytest.raises(IbDataError, match=r"^3 URLs must be asked again later, last http.*same command.*--limit"):
        crawl(urls, "image", fetcher)
    assert recorded(fetcher) == ["dead link"] * 2
    assert crawl([f"{NOBODY}/1", f"{site.url}/ok/1"], "image", fetcher)[f"{NOBODY}/1"] == "dead link"


@pytest.mark.parametrize("status", ["busy", "broken"])
def test_come_back_later_is_not_a_dead_link(site, fetcher, status: str) -> None:
    later = [f"{site.url}/{status}/{i}" for i in range(24)]
    urls = [*later, f"{site.url}/gone/1", *(f"{site.url}/ok/{i}" for i in range(16))]
    with pytest.raises(IbDataError, match=r"^24 URLs must be asked again later"):
        crawl(urls, "image", fetcher)
    assert recorded(fetcher) == ["dead link"]
    without = crawl(urls, "image", fetcher, allow_missing=True)
    assert set(urls) - set(without) == set(later)
    assert recorded(fetcher) == ["dead link"]
    site.is_busy = False
    site.do_broken = site.do_ok  # type: ignore[method-assign]
    found = crawl(urls, "image", fetcher)
    assert Counter(isinstance(result, Path) for result in found.values()) == {True: 40, False: 1}
    assert {site.asked[f"/ok/{i}"] for i in range(16)} == {1}


@pytest.mark.parametrize(
    ("retry_after", "pauses"),
    [
        *((text, [2, 4, 8]) for text in ("", "soon", "-1", "Wed, 21 Oct 2015 07:28:00 GMT")),
        ("7", [7, 7, 8]),
        *((text, []) for text in ("50", "3600", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT")),
    ],
)
def test_retry_after_is_respected(site, monkeypatch, retry_after: str, pauses: list[int]) -> None:
    waited: list[float] = []
    monkeypatch.setattr(web, "wait", waited.append)
    site.retry_after = retry_after
    with web.open_session() as session:
        result = web.get(session, f"{site.url}/busy/1", time.monotonic() + 60)
    assert result == web.Unsettled(site.url, is_silent=False, wait_s=result.wait_s)
    assert waited == pauses
    assert site.asked["/busy/1"] == len(pauses) + 1


def test_an_outage_after_an_earlier_run_is_not_a_dead_link(site, fetcher) -> None:
    urls = [f"{site.url}/ok/{i}" for i in range(90)] + [f"{NOBODY}/{i}" for i in range(5)]
    crawl(urls[:10], "image", fetcher)
    site.down_after = 0
    with pytest.raises(IbDataError, match=r"^85 URLs must be asked again later"):
        crawl(urls, "image", fetcher)
    assert not recorded(fetcher)
    site.down_after = None
    found = crawl(urls, "image", fetcher)
    assert recorded(fetcher) == ["dead link"] * 5
    assert all(isinstance(found[url], Path) for url in urls[:90])


def test_an_outage_during_a_crawl_is_not_a_dead_link(site, fetcher) -> None:
    site.down_after = 10
    urls = [f"{host}/ok/{i}" for host in (site.url, site.url.replace("127.0.0.1", "localhost")) for i in range(20)]
    with pytest.raises(IbDataError, match=r"^30 URLs must be asked again later"):
        crawl([*urls, "no address"], "image", fetcher)
    assert recorded(fetcher) == ["dead link"]  # the address that is none
    assert len(list((fetcher.downloads / "crawled").glob("???/*"))) == 10


def test_a_host_that_once_answered_is_not_dead_when_silent(site, fetcher) -> None:
    crawl([f"{site.url}/ok/1"], "image", fetcher)
    other = site.url.replace("127.0.0.1", "localhost")
    with pytest.raises(IbDataError, match=r"^1 URL must be asked again later"):
        crawl([f"{site.url}/mute/1", *(f"{other}/ok/{i}" for i in range(20))], "image", fetcher)
    assert not recorded(fetcher)


def test_urls_of_a_silent_host_are_dead_once_another_answers(fetcher, site) -> None:
    crawl([f"{site.url}/ok/1"], "image", fetcher)
    left = [f"{NOBODY}/1", f"{site.url}/away/1"]  # the second leads to the first
    found = crawl([f"{site.url}/ok/1", *left], "image", fetcher)
    assert [found[url] for url in left] == ["dead link"] * 2
    assert site.asked["/ok/1"] == 2  # the second time to learn whether the network is there


def test_an_outage_stops_the_crawl(fetcher, site, tried, monkeypatch) -> None:
    monkeypatch.setattr(crawled, "OUTAGE", 10)
    monkeypatch.setattr(crawling, "THREADS", 2)
    crawl([f"{site.url}/ok/1"], "image", fetcher)
    site.down_after = 0
    tried.clear()
    with pytest.raises(IbDataError, match=r"^50 URLs must be asked again later"):
        crawl([f"{site.url}/ok/1", *(f"{site.url}/ok/new{i}" for i in range(50))], "image", fetcher)
    assert len(tried) < 20


def test_a_throttling_or_dead_host_is_not_asked_again(fetcher, site, tried, monkeypatch) -> None:
    monkeypatch.setattr(crawled, "STRIKES", 5)
    monkeypatch.setattr(crawled, "OUTAGE", 10)
    monkeypatch.setattr(crawling, "THREADS", 2)
    other = site.url.replace("127.0.0.1", "localhost")
    fine = [f"{other}/ok/{i}" for i in range(20)]
    with pytest.raises(IbDataError, match=r"^60 URLs must be asked again later"):
        crawl([*fine, *(f"{site.url}/busy/{i}" for i in range(60))], "image", fetcher)
    # The strikes, and what was under way while a busy machine took note of them.
    assert sum("/busy/" in path for path in site.asked) < 60
    assert sum("/ok/" in path for path in site.asked) == 20
    tried.clear()
    found = crawl([*fine, *(f"{NOBODY}/{i}" for i in range(60))], "image", fetcher)
    assert Counter(str(result) for result in found.values())["dead link"] == 60
    assert len(tried) < 60


def test_a_mirror_is_asked_at_host_and_path(site, tmp_path) -> None:
    picture = tmp_path / "mirror" / "example.org" / "a b" / "1.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(photo())
    urls = ["https://example.org/a%20b/1.jpg?width=640", "https://example.org/2.jpg"]
    found = crawl(urls, "image", Fetcher(downloads=tmp_path / "one", mirror=(tmp_path / "mirror").as_uri()))
    assert found[urls[0]].read_bytes() == photo()
    assert found[urls[1]] == "dead link"
    assert crawl(urls, "image", Fetcher(downloads=tmp_path / "two", mirror=site.url + "/ok"))[urls[0]].exists()
    assert site.asked["/ok/example.org/a%20b/1.jpg"] == 1


def test_a_full_disk_is_raised_in_the_caller(site, fetcher, monkeypatch) -> None:
    def full(self: crawling.Record, url: str, data: bytes) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(crawling.Record, "keep", full)
    with pytest.raises(OSError, match="No space left"):
        crawl([f"{site.url}/ok/{i}" for i in range(3)], "image", fetcher)


def test_a_size_bomb_is_not_an_image(fetcher, site, monkeypatch) -> None:
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, "PNG")
    site.do_bomb = lambda handler: site.send(handler, out.getvalue())  # type: ignore[attr-defined]
    assert list(crawl([f"{site.url}/bomb/1"], "image", fetcher).values()) == ["not an image"]
