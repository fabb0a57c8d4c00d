"""A loopback web server that misbehaves in the ways of real hosts."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from official import photo

from ib_data.builders.source.web import get as web


class Site:
    """A web server on loopback whose paths say how it behaves."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.release = threading.Event()  # what hangs, hangs until then
        self.release_when = self.late = 0
        self.down_after: int | None = None  # so many requests get an answer, and no other does
        self.is_busy = True
        self.retry_after = ""
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        kind = handler.path.split("?")[0].strip("/").split("/")[0]
        with self.lock:
            if self.down_after is not None and self.asked.total() >= self.down_after:
                handler.close_connection = True
                return
            self.asked[handler.path] += 1
            self.agents.add(handler.headers["User-Agent"])
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            getattr(self, f"do_{kind}")(handler)
        except OSError:  # the other side has hung up, as it should
            handler.close_connection = True
        finally:
            with self.lock:
                self.at_once -= 1

    def send(self, handler: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    def do_ok(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, photo(len(handler.path)), Set_Cookie="who=me")

    def do_together(self, handler: BaseHTTPRequestHandler) -> None:
        """Hold every request until as many as may come have come."""
        with self.lock:
            if self.at_once >= self.release_when:
                self.release.set()
        self.release.wait(60)
        self.do_ok(handler)

    def do_held(self, handler: BaseHTTPRequestHandler) -> None:
        self.late += not self.release.wait(60)
        self.do_ok(handler)

    def do_counted(self, handler: BaseHTTPRequestHandler) -> None:
        """The last of so many lets go what is held."""
        self.do_ok(handler)
        with self.lock:
            if sum(path.startswith("/counted/") for path in self.asked) >= self.release_when:
                self.release.set()

    def do_gone(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, b"", 404)

    def do_broken(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, b"", 500)

    def do_busy(self, handler: BaseHTTPRequestHandler) -> None:
        """Too many requests, as long as the site is busy."""
        headers = {"Retry_After": self.retry_after} if self.retry_after else {}
        self.send(handler, b"", 429, **headers) if self.is_busy else self.do_ok(handler)

    def do_mute(self, handler: BaseHTTPRequestHandler) -> None:
        """Hang up without a word."""
        handler.close_connection = True

    def do_once(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, b"", 503) if self.asked[handler.path] == 1 else self.do_ok(handler)

    def do_page(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, b"<html><body>not here</body></html>")

    def do_tiny(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, photo(size=(31, 200)))

    def do_cut(self, handler: BaseHTTPRequestHandler) -> None:
        data = photo(size=(400, 400))
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:500])
        handler.close_connection = True

    def do_huge(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, bytes(web.MAX_BYTES + 1))

    def do_endless(self, handler: BaseHTTPRequestHandler) -> None:
        """More than the ceiling, and no length that says so."""
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(65536))

    def do_stall(self, handler: BaseHTTPRequestHandler) -> None:
        """A part of the body, and then nothing."""
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write(b"\xff\xd8\xff")
        handler.wfile.flush()
        self.release.wait(5)

    def do_drip(self, handler: BaseHTTPRequestHandler) -> None:
        """A byte at a time, each well before the reader gives up waiting for the next."""
        handler.send_response(200)
        handler.end_headers()
        while not self.release.wait(0.01):
            handler.wfile.write(b"\xff")

    def do_headers(self, handler: BaseHTTPRequestHandler) -> None:
        """The same in the headers, where no ceiling on the body reaches."""
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
        while not self.release.wait(0.01):
            handler.wfile.write(b"s")

    def do_refuse(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, photo(), X_Robots_Tag="noarchive, NoAI")

    def do_another(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, photo(), X_Robots_Tag="otherbot: noindex")

    def do_loop(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, b"", 302, Location="/loop")

    def do_away(self, handler: BaseHTTPRequestHandler) -> None:
        """To a host where nobody is."""
        self.send(handler, b"", 302, Location="http://127.0.0.1:9/new")

    def do_moved(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, b"", 301, Location="/ok/new")


@contextmanager
def served() -> Iterator[Site]:
    """A site that answers until the block ends."""
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield state
        state.release.set()
        server.shutdown()
        thread.join()
