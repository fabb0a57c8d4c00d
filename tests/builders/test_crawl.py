"""Crawling: every URL ends as a file or as one of a few words, hosts are spared, and nothing is asked twice."""

import io
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from crawl_site import Site, served
from official import photo
from PIL import Image

from ib_data.builders import crawl as crawling
from ib_data.builders import web
from ib_data.builders.crawl import crawl
from ib_data.builders.fetch import Fetcher
from ib_data.errors import IbDataError


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(web, "PAUSE_S", 0)
    with served() as state:
        yield state


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    return Fetcher(downloads=tmp_path / "downloads")


def test_every_url_ends_as_a_file_or_as_a_word(site, fetcher, monkeypatch) -> None:
    monkeypatch.setattr(web, "MAX_BYTES", 300_000)
    monkeypatch.setattr(web, "TIMEOUT_S", (5, 1))
    expected = {
        "ok/1?size=2": None, "once/1": None, "moved/1": None, "another/1": None,
        "gone/1": "dead link", "broken/1": "dead link", "cut/1": "dead link", "loop/1": "dead link",
        "page/1": "not an image", "tiny/1": "too small", "huge/1": "too large", "endless/1": "too large",
        "stall/1": "too slow", "refuse/1": "refused by its host",
    }  # fmt: skip
    found = crawl([f"{site.url}/{path}" for path in expected], "image", fetcher)
    for path, reason in expected.items():
        result = found[f"{site.url}/{path}"]
        assert isinstance(result, Path) if reason is None else result == reason, (path, result)
    assert (site.asked["/gone/1"], site.asked["/broken/1"], site.asked["/stall/1"]) == (1, 2, 1)
    assert found[f"{site.url}/ok/1?size=2"].read_bytes() == photo(len("/ok/1?size=2"))
    assert all(agent.startswith("ib-data/") for agent in site.agents)
    assert not list(fetcher.downloads.rglob("*.part"))


@pytest.mark.parametrize("path", ["drip/1", "headers/1"])
def test_a_body_or_a_header_that_drips_meets_the_deadline(site, fetcher, monkeypatch, path: str) -> None:
    monkeypatch.setattr(crawling, "MAX_SECONDS", 0.1)
    monkeypatch.setattr(crawling, "WATCH_S", 0.02)
    began = time.monotonic()
    assert crawl([f"{site.url}/{path}"], "image", fetcher) == {f"{site.url}/{path}": "too slow"}
    assert time.monotonic() - began < 5


def test_what_hangs_does_not_hold_up_its_host(site, fetcher, monkeypatch) -> None:
    monkeypatch.setattr(crawling, "MAX_SECONDS", 0.5)
    monkeypatch.setattr(crawling, "WATCH_S", 0.02)
    monkeypatch.setattr(crawling, "THREADS", 4)
    urls = [f"{site.url}/{kind}/{i}" for i in range(8) for kind in ("ok", "headers")]
    found = crawl(urls, "image", fetcher)
    assert Counter(str(result) for result in found.values() if isinstance(result, str)) == {"too slow": 8}


def test_addresses_that_are_none_are_dead_links(site, fetcher, monkeypatch) -> None:
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


def test_nothing_is_asked_twice_not_even_a_dead_link(site, fetcher) -> None:
    urls = [f"{site.url}/{kind}/{i}" for i in range(5) for kind in ("ok", "gone", "page")]
    first = crawl(urls, "image", fetcher)
    again = crawl([*urls, f"{site.url}/ok/new"], "image", fetcher)
    assert {url: again[url] for url in urls} == first
    assert set(site.asked.values()) == {1}
    (fetcher.downloads / "crawled" / "status.tsv").unlink()
    crawl(urls, "image", fetcher)
    assert site.asked["/gone/1"] == 2
    assert site.asked["/ok/1"] == 1


def test_a_killed_crawl_goes_on_where_it_stopped(site, fetcher, monkeypatch) -> None:
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


def test_a_host_is_asked_few_things_at_a_time(site, fetcher, monkeypatch) -> None:
    monkeypatch.setattr(crawling, "PER_HOST", 3)
    site.release_when = 3
    urls = [f"{site.url}/together/{i}" for i in range(30)]
    assert all(isinstance(result, Path) for result in crawl(urls, "image", fetcher).values())
    assert site.most_at_once == 3


def test_a_busy_host_does_not_hold_up_the_others(site, fetcher, monkeypatch) -> None:
    """Every place at one host is taken until the other host (the same server by another name) has served all."""
    monkeypatch.setattr(crawling, "THREADS", 8)
    site.release_when = 40
    other = site.url.replace("127.0.0.1", "localhost")
    urls = [f"{site.url}/held/{i}" for i in range(30)] + [f"{other}/counted/{i}" for i in range(40)]
    assert all(isinstance(result, Path) for result in crawl(urls, "image", fetcher).values())
    assert site.release.is_set()
    assert not site.late


def test_a_network_that_is_down_is_no_dead_link(fetcher, site, monkeypatch) -> None:
    nobody = "http://127.0.0.1:9"
    with pytest.raises(
        IbDataError, match=r"3 URLs in a row gave no answer, last http.*run the same command again later"
    ):
        crawl([f"{nobody}/{i}" for i in range(3)], "image", fetcher)
    assert not (fetcher.downloads / "crawled" / "status.tsv").exists()
    found = crawl([f"{nobody}/1", f"{site.url}/ok/1"], "image", fetcher)
    assert found[f"{nobody}/1"] == "dead link"


def test_a_host_that_falls_silent_stops_the_crawl_and_a_dead_one_does_not(fetcher, site, monkeypatch) -> None:
    monkeypatch.setattr(crawling, "OUTAGE", 10)
    monkeypatch.setattr(crawling, "STRIKES", 5)
    monkeypatch.setattr(crawling, "THREADS", 2)
    crawl([f"{site.url}/ok/1"], "image", fetcher)
    throttled = [f"{site.url}/ok/1"] + [f"{site.url}/broken/{i}" for i in range(15)]
    with pytest.raises(IbDataError, match="10 URLs in a row gave no answer"):
        crawl(throttled, "image", fetcher)
    dead = site.url.replace("127.0.0.1", "localhost")
    urls = [f"{site.url}/ok/1"] + [f"{dead}/broken/{i}" for i in range(60)]
    found = crawl(urls, "image", fetcher)
    assert Counter(found.values())["dead link"] == 60
    asked = sum("/broken/" in path for path in site.asked)
    assert asked <= 15 + 10  # five strikes, and what was under way


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


def test_a_full_disk_belongs_to_the_caller(site, fetcher, monkeypatch) -> None:
    def full(self: crawling.Record, url: str, data: bytes) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(crawling.Record, "keep", full)
    with pytest.raises(OSError, match="No space left"):
        crawl([f"{site.url}/ok/{i}" for i in range(3)], "image", fetcher)


def test_a_picture_that_is_a_size_bomb_is_not_an_image(fetcher, site, monkeypatch) -> None:
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, "PNG")
    site.do_bomb = lambda handler: site.send(handler, out.getvalue())  # type: ignore[attr-defined]
    assert crawl([f"{site.url}/bomb/1"], "image", fetcher) == {f"{site.url}/bomb/1": "not an image"}
