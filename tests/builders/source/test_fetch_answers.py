"""Answers that do not fit the request: no wrong bytes are kept, no pause is long, no error is a traceback."""

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ib_data.builders.source.web import download
from ib_data.builders.source.web import fetcher as fetch
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.cards import SourceFile
from ib_data.errors import DataError

BODY = bytes(range(256)) * 2000
CUT = 300_000
Answer = Callable[[BaseHTTPRequestHandler, int], None]


def send(handler: BaseHTTPRequestHandler, status: int = 200, data: bytes = b"", **headers: object) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(data)


def whole(handler: BaseHTTPRequestHandler, body: bytes = BODY, tag: str = '"one"') -> None:
    send(handler, 200, body, ETag=tag, Content_Length=len(body))


def cut(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, BODY[:CUT], ETag='"one"', Content_Length=len(BODY))


class Host:
    """A web server on loopback: `answer` gets every request with its number, counted from 1."""

    url = ""

    def __init__(self) -> None:
        self.answer: Answer = lambda handler, _number: whole(handler)
        self.ranges: list[str | None] = []


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(fetch, "RETRIES", fetch.RETRIES.new(backoff_factor=0))
    state = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.ranges.append(self.headers.get("Range"))
            state.answer(self, len(state.ranges))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}/data.json"
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def get(host: Host, tmp_path: Path) -> Callable[..., bytes]:
    def fetched(name: str = "data.json", **facts: Any) -> bytes:
        url = host.url.replace("data.json", name)
        file = SourceFile(name=name, url=url, role="questions", **facts)
        return Fetcher(downloads=tmp_path).fetch(file, "toy").read_bytes()

    return fetched


def kept(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock",)}


def rest(
    handler: BaseHTTPRequestHandler, body: bytes = BODY, start: int = CUT, end: int = 0, **headers: object
) -> None:
    """A 206 of `body`; `headers` take the place of those that would fit."""
    end = end or len(body)
    fitting = {"ETag": '"one"', "Content_Range": f"bytes {start}-{end - 1}/{len(body)}", "Content_Length": end - start}
    send(handler, 206, body[start:end], **(fitting | headers))


def test_a_short_range_is_continued_from_its_end(host, get) -> None:
    steps = [CUT, CUT + 9, CUT + 50_000, len(BODY)]
    host.answer = lambda h, n: cut(h) if n == 1 else rest(h, start=steps[n - 2], end=steps[n - 1])
    assert get() == BODY
    assert host.ranges == [None, *(f"bytes={step}-" for step in steps[:-1])]


def test_a_host_that_sends_few_bytes_per_answer_fails_in_one_line(host, get, tmp_path) -> None:
    def few(handler: BaseHTTPRequestHandler, number: int) -> None:
        start = int(host.ranges[-1].removeprefix("bytes=").rstrip("-")) if number > 1 else 0
        cut(handler) if number == 1 else rest(handler, start=start, end=start + 9)

    host.answer = few
    with pytest.raises(DataError, match=f"the host sent the bytes up to {CUT + 45} of {len(BODY)}.; .*same command"):
        get()
    assert kept(tmp_path) == {"data.json.part", "data.json.part.validator"}


def test_attempts_with_progress_are_not_counted(host, get, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "RETRIES", fetch.RETRIES.new(total=1))
    monkeypatch.setattr(download, "PROGRESS_BYTES", 50_000)
    steps = [CUT, CUT + 60_000, CUT + 120_000, CUT + 180_000, len(BODY)]
    host.answer = lambda h, n: cut(h) if n == 1 else rest(h, start=steps[n - 2], end=steps[n - 1])
    assert get() == BODY


OTHER = BODY[::-1][:-5000]


@pytest.mark.parametrize(
    "answer",
    {
        "another ETag": lambda h: rest(h, ETag='"two"'),
        "another total": lambda h: rest(h, OTHER),
        "another total alone": lambda h: rest(h, Content_Range=f"bytes {CUT}-{len(BODY) - 1}/{len(BODY) + 1}"),
        "another start": lambda h: rest(h, start=CUT + 1),
        "from the first byte on": lambda h: rest(h, start=0),
        "an end before the start": lambda h: rest(h, Content_Range=f"bytes {CUT}-{CUT - 9}/{len(BODY)}"),
        "an end beyond the total": lambda h: rest(h, Content_Range=f"bytes {CUT}-{len(BODY)}/{len(BODY)}"),
        "another length": lambda h: rest(h, Content_Length=len(BODY) - CUT - 9),
        "no range": lambda h: rest(h, Content_Range=""),
        "a range that is none": lambda h: rest(h, Content_Range="bytes all of it"),
        "a range of many digits": lambda h: rest(h, Content_Range=f"bytes {CUT}-{'9' * 5000}/*"),
        "several ranges": lambda h: rest(h, Content_Type="multipart/byteranges; boundary=x"),
        "coded": lambda h: rest(h, Content_Encoding="gzip"),
        "nothing left of another size": lambda h: send(h, 416, Content_Range="bytes */9", Content_Length=0),
        "nothing left of this size": lambda h: send(h, 416, Content_Range=f"bytes */{CUT}", Content_Length=0),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_wrong_answer_restarts_the_file(host, get, answer) -> None:
    host.answer = lambda h, n: cut(h) if n == 1 else answer[1](h) if host.ranges[-1] else whole(h)
    assert get() == BODY
    assert host.ranges == [None, f"bytes={CUT}-", None]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda h: rest(h, start=1000), "sent a part of the file instead of all of it"),
        (lambda h: rest(h, start=0), "sent a part of the file instead of all of it"),
        (lambda h: send(h, 200, BODY, Content_Type="multipart/byteranges"), "several ranges"),
        (lambda h: send(h, 200, BODY, Content_Length=len(BODY), Content_Encoding="br"), "coded as 'br'"),
        (lambda h: send(h, 200, BODY[:9], Content_Length=len(BODY)), "after 9 of 512000 bytes|9 bytes read"),
        (lambda h: send(h, 200, BODY, Content_Length="9, 9"), "more than the 9 bytes that it announced"),
        (lambda h: send(h, 200, BODY), "does not say how long the file is"),
        (lambda h: send(h, 200, BODY, Content_Length="abc"), "does not say how long the file is"),
        (lambda h: send(h, 200, BODY, Content_Length=-5), "does not say how long the file is"),
        (lambda h: send(h, 200, BODY, Content_Length="9" * 5000), "does not say how long the file is"),
        (lambda h: send(h, 200, b"9\r\n123456789\r\n", Transfer_Encoding="chunked"), "cannot be downloaded"),
        (lambda h: send(h, 200, Content_Length=0), "the host sent an empty file"),
        (lambda h: whole(h, b"\xef\xbb\xbf\n<!DOCTYPE html><title>Sign in</title>"), "sent a web page"),
        (lambda h: send(h, 302, Location="http://[::1", Content_Length=0), "cannot be used"),
        (lambda h: send(h, 302, Location=f"http://{'a' * 300}.invalid/", Content_Length=0), "cannot be used"),
        (lambda h: send(h, 302, Location="http://\xff.invalid/", Content_Length=0), "cannot be used"),
        (lambda h: send(h, 302, Location="file:///etc/passwd", Content_Length=0), "cannot be used"),
        (lambda h: send(h, 302, Location="/data.json", Content_Length=0), "30 redirects"),
    ],
)  # fmt: skip
def test_wrong_answers_fail_in_one_line_and_nothing_is_kept(host, get, tmp_path, answer, why) -> None:
    host.answer = lambda h, _number: answer(h)
    with pytest.raises(DataError, match=rf"^toy: http\S+: .*({why}).*--source$") as raised:
        get()
    assert "\n" not in str(raised.value)
    assert not kept(tmp_path) & {"data.json", "data.json.sha256"}


def test_a_complete_body_is_recognised(host, get) -> None:
    """A last chunk, two equal lengths that a proxy joined, or, without any length, what the card says."""
    digest = hashlib.sha256(BODY).hexdigest()
    host.answer = lambda h, _number: send(h, 200, b"7d000\r\n" + BODY + b"\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    assert get("chunked.json") == BODY
    host.answer = lambda h, _number: send(h, 200, BODY, Content_Length=f"{len(BODY)}, {len(BODY)}")
    assert get("twice.json") == BODY
    host.answer = lambda h, _number: send(h, 200, BODY)
    assert get("known.json", sha256=digest) == get("sized.json", num_bytes=len(BODY)) == BODY
    host.answer = lambda h, _number: send(h, 200, BODY[:9])
    with pytest.raises(DataError, match="size expected 512000, found 9"):
        get("sized_too.json", num_bytes=len(BODY))


def test_an_archive_with_content_encoding_gzip_is_stored_as_sent(host, get) -> None:
    packed = gzip.compress(BODY)
    host.answer = lambda h, _number: send(h, 200, packed, Content_Encoding="x-gzip", Content_Length=len(packed))
    assert get("data.tar.gz") == packed


def test_a_weak_or_missing_etag_restarts_the_file(host, get) -> None:
    for name, headers in {"weak.json": {"ETag": 'W/"one"'}, "none.json": {}}.items():
        host.ranges.clear()
        host.answer = lambda h, n, headers=headers: send(
            h, 200, BODY[: CUT if n == 1 else None], Content_Length=len(BODY), **headers
        )
        assert get(name) == BODY
        assert host.ranges == [None, None]


def test_last_modified_identifies_a_version(host, get) -> None:
    one, two = "Mon, 02 Nov 2026 10:00:00 GMT", "Tue, 03 Nov 2026 10:00:00 GMT"

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 1:
            send(handler, 200, BODY[:CUT], Last_Modified=one, Content_Length=len(BODY))
        elif host.ranges[-1]:
            assert handler.headers["If-Range"] == one
            rest(handler, BODY[::-1], ETag='"x"', Last_Modified=two)
        else:
            whole(handler, BODY[::-1])

    host.answer = answer
    assert get() == BODY[::-1]


def test_a_bad_file_joined_from_two_answers_is_fetched_again(host, get) -> None:
    wrong = bytes(len(BODY))
    host.answer = lambda h, n: cut(h) if n == 1 else rest(h, wrong) if host.ranges[-1] else whole(h)
    assert get(sha256=hashlib.sha256(BODY).hexdigest()) == BODY


def test_a_part_of_another_address_is_not_resumed(host, get, tmp_path) -> None:
    place = tmp_path / "127.0.0.1"
    place.mkdir()
    (place / "data.json.part").write_bytes(bytes(CUT))
    (place / "data.json.part.validator").write_text(f'"one"\n{len(BODY)}\n{"0" * 16}\n')
    assert get() == BODY
    assert host.ranges == [None]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(download, "wait", waited.append)
    return waited


@pytest.mark.parametrize(
    ("retry_after", "waited"),
    [
        *((text, []) for text in ("", "soon", "-1", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 99999 23:59:59 GMT")),
        ("3", [3.0]),
        ("90", [90.0]),
    ],
)
def test_a_requested_pause_is_made_and_announced(host, get, pauses, capsys, retry_after, waited) -> None:
    host.answer = lambda h, n: send(h, 429, Retry_After=retry_after, Content_Length=0) if n == 1 else whole(h)
    assert get() == BODY
    assert pauses == waited
    told = capsys.readouterr().err
    assert told == ("" if waited in ([], [3.0]) else f"toy: {host.url}: HTTP status 429; trying again in 90 s\n")


@pytest.mark.parametrize("retry_after", ["3600", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_long_requested_pause_is_an_error(host, get, pauses, retry_after) -> None:
    host.answer = lambda h, _number: send(h, 503, Retry_After=retry_after, Content_Length=0)
    with pytest.raises(DataError, match=r"HTTP status 503.: the host asks to come back later .(3,600 s|very long)"):
        get()
    assert not pauses
    assert len(host.ranges) == 1
