"""Downloads: complete or not at all, resumed, verified, once."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ib_data.builders.source.web import download
from ib_data.builders.source.web import fetcher as fetch
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.cards import SourceFile
from ib_data.errors import DataError

BODY = bytes(range(256)) * 4096


class Host:
    """A web server on loopback that can fail as hosts do."""

    def __init__(self) -> None:
        self.body, self.tag = BODY, '"one"'
        self.failures = 0  # answer so many requests with 503
        self.breaks: list[int] = []  # break off after so many bytes, one a request
        self.ranges: list[str | None] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.ranges.append(handler.headers.get("Range"))
        if self.failures:
            self.failures -= 1
            handler.send_error(503)
            return
        if handler.path != "/files/data.bin":
            handler.send_error(404)
            return
        start, asked = 0, handler.headers.get("Range")
        if asked == f"bytes={len(self.body)}-":
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.body)}")
            handler.end_headers()
            return
        if handler.headers.get("Range") and handler.headers.get("If-Range") == self.tag:
            start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        handler.send_response(206 if start else 200)
        handler.send_header("ETag", self.tag)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        handler.send_header("Content-Length", str(len(self.body) - start))
        handler.end_headers()
        end = start + self.breaks.pop(0) if self.breaks else None
        handler.wfile.write(self.body[start:end])


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(fetch, "RETRIES", fetch.RETRIES.new(backoff_factor=0))
    state = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}/files/data.bin"  # type: ignore[attr-defined]
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def file(host: Host) -> Callable[..., SourceFile]:
    def make(**facts: Any) -> SourceFile:
        return SourceFile(**{"name": "data.bin", "url": host.url, "role": "questions", **facts})  # type: ignore[attr-defined]

    return make


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    return Fetcher(downloads=tmp_path / "downloads")


def leftovers(fetcher: Fetcher) -> set[str]:
    return {path.name for path in fetcher.downloads.rglob("*") if path.is_file() and not path.name.endswith(".lock")}


def test_a_file_is_kept_at_host_and_path_with_its_checksum(file, fetcher, host) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    path = fetcher.fetch(file(num_bytes=len(BODY), sha256=digest), "toy")
    assert path == fetcher.downloads / "127.0.0.1" / "files" / "data.bin"
    assert path.read_bytes() == BODY
    assert fetcher.sha256(file()) == digest
    fetcher.fetch(file(), "toy")
    assert len(host.ranges) == 1
    assert leftovers(fetcher) == {"data.bin", "data.bin.sha256"}


def test_a_broken_download_is_resumed(file, fetcher, host) -> None:
    host.breaks = [300_000, 400_000]
    assert fetcher.fetch(file(), "toy").read_bytes() == BODY
    assert host.ranges == [None, "bytes=300000-", "bytes=700000-"]


def test_a_later_run_resumes_the_part_of_an_earlier_one(file, fetcher, host, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "RETRIES", fetch.RETRIES.new(total=0))
    host.breaks = [500_000]
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetcher.fetch(file(), "toy")
    assert leftovers(fetcher) == {"data.bin.part", "data.bin.part.validator"}
    assert fetcher.fetch(file(), "toy").read_bytes() == BODY
    assert host.ranges == [None, "bytes=500000-"]


def test_a_file_that_changed_between_attempts_is_restarted(file, fetcher, host, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "RETRIES", fetch.RETRIES.new(total=0))
    host.breaks = [500_000]
    with pytest.raises(DataError):
        fetcher.fetch(file(), "toy")
    host.body, host.tag = BODY[::-1], '"two"'
    assert fetcher.fetch(file(), "toy").read_bytes() == BODY[::-1]


def test_a_complete_part_is_not_requested_again(file, fetcher, host) -> None:
    place = fetcher.place(file())
    place.parent.mkdir(parents=True)
    place.with_name("data.bin.part").write_bytes(BODY)
    place.with_name("data.bin.part.validator").write_text(host.tag)
    assert fetcher.fetch(file(), "toy").read_bytes() == BODY
    assert host.ranges == [f"bytes={len(BODY)}-"]


def test_two_versions_are_never_mixed_in_one_file(file, fetcher, host, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "RETRIES", fetch.RETRIES.new(total=0))
    host.breaks = [500_000]
    with pytest.raises(DataError):
        fetcher.fetch(file(), "toy")
    host.body, host.tag = BODY[::-1], '"two"'
    monkeypatch.setattr(download, "check_space", lambda *_args: (_ for _ in ()).throw(DataError("toy", "no room")))
    with pytest.raises(DataError, match="no room"):
        fetcher.fetch(file(), "toy")
    monkeypatch.undo()
    assert fetcher.fetch(file(), "toy").read_bytes() == BODY[::-1]


def test_a_file_that_was_changed_later_has_another_checksum(file, fetcher, capsys) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    path = fetcher.fetch(file(sha256=digest), "toy")
    path.write_bytes(b"changed by hand")
    fetcher.fetch(file(sha256=digest), "toy")
    assert "is not the official file" in capsys.readouterr().err
    assert fetcher.sha256(file()) == hashlib.sha256(b"changed by hand").hexdigest()


def test_a_changed_mirror_is_fetched_again(file, host, tmp_path) -> None:
    url = file().url
    for body in (BODY, b"another version"):
        host.body = body
        mirrored = Fetcher(downloads=tmp_path, checksums={url: hashlib.sha256(body).hexdigest()})
        assert mirrored.fetch(file(), "toy").read_bytes() == body


def test_a_busy_host_is_asked_again(file, fetcher, host) -> None:
    host.failures = 3
    assert fetcher.fetch(file(), "toy").read_bytes() == BODY


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"sha256": "0" * 64}, r"sha256 expected 0{64}, found \w{64}"),
        ({"num_bytes": 12}, "size expected 12, found 1048576"),
        ({"md5": "0" * 32}, "md5 expected 0{32}"),
    ],
)
def test_a_wrong_file_is_not_kept(file, fetcher, facts, message) -> None:
    with pytest.raises(DataError, match=message):
        fetcher.fetch(file(**facts), "toy")
    assert leftovers(fetcher) <= {"data.bin.part.validator"}


def test_the_first_download_pins_an_unknown_checksum(file, fetcher, host) -> None:
    fetcher.fetch(file(), "toy").unlink()
    host.body = b"another file"
    place = fetcher.place(file())
    with pytest.raises(DataError, match="sha256 expected") as raised:
        fetcher.fetch(file(), "toy")
    assert f"it was deleted, no copy is at {place}. To use the new file, delete {place}.sha256" in str(raised.value)
    place.with_name("data.bin.sha256").unlink()
    assert fetcher.fetch(file(), "toy").read_bytes() == b"another file"


def test_a_missing_file_and_a_dead_host_are_one_line(file, fetcher, host) -> None:
    with pytest.raises(DataError, match=r"^toy: http\S+/nothing: cannot be downloaded \(HTTP status 404\); .*--source"):
        fetcher.fetch(file(url=host.url.replace("/files/data.bin", "/nothing")), "toy")
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetcher.fetch(file(url="http://127.0.0.1:9/closed"), "toy")


def test_two_builds_download_a_file_once(file, fetcher, host) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetcher.fetch(file(), "toy"), range(4)))
    assert {path.read_bytes() for path in paths} == {BODY}
    assert len(host.ranges) == 1


def test_a_mirror_is_looked_up_by_host_and_path(file, tmp_path) -> None:
    (tmp_path / "mirror" / "127.0.0.1" / "files").mkdir(parents=True)
    (tmp_path / "mirror" / "127.0.0.1" / "files" / "data.bin").write_bytes(b"mirrored")
    mirrored = Fetcher(downloads=tmp_path / "downloads", mirror=(tmp_path / "mirror").as_uri())
    assert mirrored.fetch(file(), "toy").read_bytes() == b"mirrored"
    with pytest.raises(DataError, match="the mirror has no such file"):
        mirrored.fetch(file(url="http://127.0.0.1/other"), "toy")


def test_a_full_disk_is_reported_before_the_download(file, fetcher, monkeypatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(DataError, match=r"needs 1\.0 MB, the disk has 1\.0 KB free"):
        fetcher.fetch(file(), "toy")
