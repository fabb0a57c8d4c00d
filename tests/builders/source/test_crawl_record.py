"""The record of a crawl: final answers are kept for good, temporary failures are asked again."""

from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec
from pathlib import Path

import pytest
from crawl_site import Site
from official import photo

from ib_data.builders.source.web import crawl_record as crawled
from ib_data.builders.source.web import get as web
from ib_data.builders.source.web.crawl import crawl
from ib_data.builders.source.web.crawl_record import digest_of
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.errors import IbDataError

NOBODY = "http://127.0.0.1:9"
PHOTO = photo(size=(400, 400))


def log_of(fetcher: Fetcher) -> Path:
    return fetcher.downloads / "crawled" / "status.tsv"


def first_times(site: Site, num: int, handler: BaseHTTPRequestHandler) -> bool:
    return site.asked[handler.path] <= num


def send(handler: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
    """An answer with these headers alone."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)
    handler.close_connection = True


def test_a_body_that_is_cut_twice_is_asked_for_again_by_the_next_run(site, fetcher, capsys) -> None:
    site.do_twice = lambda h: site.do_cut(h) if first_times(site, 2, h) else site.do_ok(h)  # type: ignore[attr-defined]
    urls = [f"{site.url}/twice/1", f"{site.url}/ok/1", f"{site.url}/gone/1"]
    assert crawl(urls, "image", fetcher)[urls[0]] == "cut off"
    err = capsys.readouterr().err
    assert "1 URL was cut off, too slow or without an answer" in err
    assert "the next build asks again" in err
    assert isinstance(crawl(urls, "image", fetcher)[urls[0]], Path)
    assert not capsys.readouterr().err
    assert site.asked == {"/twice/1": 3, "/ok/1": 1, "/gone/1": 1}


def test_one_long_pause_in_a_body_is_not_too_slow(site, fetcher, monkeypatch) -> None:
    monkeypatch.setattr(web, "TIMEOUT_S", (5, 0.3))
    site.do_pause = lambda h: site.do_stall(h) if first_times(site, 1, h) else site.do_ok(h)  # type: ignore[attr-defined]
    assert isinstance(crawl([f"{site.url}/pause/1"], "image", fetcher)[f"{site.url}/pause/1"], Path)


@pytest.mark.parametrize(("path", "reason"), [("cut/1", "cut off"), ("mute/1", "dead link")])
def test_a_url_that_failed_on_three_days_is_not_asked_again(site, fetcher, monkeypatch, path: str, reason: str) -> None:
    other = site.url.replace("127.0.0.1", "localhost")
    url, asked = f"{site.url}/{path}", []
    for day in (1, 1, 2, 2, 3, 3, 4):
        monkeypatch.setattr(crawled, "today", lambda day=day: f"2026-11-0{day}")
        assert crawl([url, f"{other}/ok/1"], "image", fetcher)[url] == reason
        asked.append(site.asked[f"/{path}"])
    assert asked == [2, 4, 6, 8, 10, 10, 10]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 451])
def test_a_refusal_is_final(site, fetcher, status: int) -> None:
    site.do_refused = lambda h: send(h, b"", status, Content_Length="0")  # type: ignore[attr-defined]
    for _ in range(2):
        assert crawl([f"{site.url}/refused/1"], "image", fetcher) == {f"{site.url}/refused/1": "dead link"}
    assert site.asked["/refused/1"] == 1


@pytest.mark.parametrize("status", [407, 408, 421, 425, 429, 500, 503, 511])
def test_a_temporary_failure_is_asked_again(site, fetcher, status: int) -> None:
    site.do_state = lambda h: send(h, b"", status, Content_Length="0")  # type: ignore[attr-defined]
    with pytest.raises(IbDataError, match=r"^1 URL must be asked again later"):
        crawl([f"{site.url}/state/1", f"{site.url}/ok/1"], "image", fetcher)
    assert not log_of(fetcher).exists()


TWO = f"{len(PHOTO)}, {len(PHOTO)}"


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [
        (lambda h: send(h, PHOTO), True),
        (lambda h: send(h, PHOTO, Content_Length="abc"), True),
        (lambda h: send(h, PHOTO, Content_Length=TWO), True),
        (lambda h: send(h, PHOTO[:-500]), False),  # nothing tells that this is its end
        (lambda h: send(h, PHOTO[:-500], Content_Length="abc"), False),
        (lambda h: send(h, PHOTO[:-500], Content_Length=TWO), False),
        (lambda h: send(h, PHOTO, Content_Length=f"{len(PHOTO)}, 9"), False),
        (lambda h: send(h, b"5\r\n12345\r\n", Transfer_Encoding="chunked"), False),
        (lambda h: send(h, PHOTO, 206, Content_Range=f"bytes 0-9/{len(PHOTO)}"), False),
        (lambda h: send(h, b"", 202, Content_Length="0"), False),
    ],
)
def test_a_body_that_may_be_cut_is_not_a_final_verdict(site, fetcher, answer, is_kept: bool) -> None:
    site.do_odd = answer  # type: ignore[attr-defined]
    url = f"{site.url}/odd/1"
    found = crawl([url], "image", fetcher)[url]
    assert isinstance(found, Path) and found.read_bytes() == PHOTO if is_kept else found == "cut off"
    site.do_odd = site.do_ok  # type: ignore[attr-defined]
    assert isinstance(crawl([url], "image", fetcher)[url], Path)


@pytest.mark.parametrize("to", ["http://[::1", f"http://{'a' * 300}.invalid/", "http://\xff.invalid/", "ftp://x/a.jpg"])
def test_a_redirect_to_an_invalid_address_is_a_dead_link(site, fetcher, to: str) -> None:
    site.do_odd = lambda h: send(h, b"", 302, Location=to, Content_Length="0")  # type: ignore[attr-defined]
    assert crawl([f"{site.url}/odd/1"], "image", fetcher) == {f"{site.url}/odd/1": "dead link"}


def test_a_file_missing_on_a_mirror_is_not_a_dead_link(site, fetcher, tmp_path) -> None:
    (tmp_path / "mirror").mkdir()
    mirrored = Fetcher(downloads=fetcher.downloads, mirror=(tmp_path / "mirror").as_uri())
    url = f"{site.url}/ok/1"
    assert crawl([url], "image", mirrored) == {url: "dead link"}
    assert isinstance(crawl([url], "image", fetcher)[url], Path)


NOISE = [b"\xff" * 64 + b"\tdead link\n", b"g" * 64 + b"\tdead link\n", b"\0" * 200, b"\n\t\t\t\n", b"0123abcd"]


@pytest.mark.parametrize("noise", NOISE)
def test_damaged_logs_lose_only_damaged_lines(site, fetcher, noise: bytes) -> None:
    urls = [f"{site.url}/gone/{i}" for i in range(2)]
    crawl(urls[:1], "image", fetcher)
    for name in ("status.tsv", "servers.txt"):
        log = log_of(fetcher).with_name(name)
        log.write_bytes(noise + log.read_bytes() + noise)
    crawl(urls, "image", fetcher)
    assert crawl(urls, "image", fetcher) == dict.fromkeys(urls, "dead link")
    # A line that a kill cut short must not swallow the one after it; here it swallows the one it was put before.
    assert site.asked == {"/gone/0": 1 if noise.endswith(b"\n") else 2, "/gone/1": 1}


def test_a_temporary_verdict_of_an_old_record_is_asked_again(site, fetcher) -> None:
    urls = [f"{site.url}/ok/1", f"{site.url}/ok/2"]
    log_of(fetcher).parent.mkdir(parents=True)
    log_of(fetcher).write_text(f"{digest_of(urls[0])}\ttoo slow\n{digest_of(urls[1])}\tdead link\n")
    found = crawl(urls, "image", fetcher)
    assert isinstance(found[urls[0]], Path)
    assert found[urls[1]] == "dead link"


def test_an_empty_file_or_folder_is_not_an_image(site, fetcher) -> None:
    url = f"{site.url}/ok/1"
    crawl([url], "image", fetcher)[url].write_bytes(b"")
    assert crawl([url], "image", fetcher)[url].read_bytes() == photo(len("/ok/1"))


def test_an_empty_body_is_not_a_clip(site, fetcher) -> None:
    site.do_empty = lambda h: send(h, b"", Content_Length="0")  # type: ignore[attr-defined]
    assert crawl([f"{site.url}/empty/1"], "video", fetcher) == {f"{site.url}/empty/1": "too small"}


@pytest.mark.parametrize("proxy", ["http://user:secret@:8080", "socks5://user:secret@127.0.0.1:9"])
def test_an_unusable_proxy_is_not_a_dead_link(fetcher, monkeypatch, proxy: str) -> None:
    if proxy.startswith("socks") and find_spec("socks"):
        pytest.skip("PySocks is installed")
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(IbDataError, match="the proxy that the environment names cannot be used") as raised:
        crawl(["http://example.invalid/1.jpg"], "image", fetcher)
    assert "secret" not in str(raised.value)
    assert not log_of(fetcher).exists()


def test_a_password_in_a_url_is_neither_shown_nor_stored(site, fetcher) -> None:
    urls = [url.replace("//", "//user:secret@") for url in (f"{site.url}/busy/1", f"{site.url}/gone/1")]
    with pytest.raises(IbDataError, match=r"last http://127.0.0.1:\d+/busy/1: ") as raised:
        crawl(urls, "image", fetcher)
    assert "secret" not in str(raised.value)
    assert not [path for path in fetcher.downloads.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
