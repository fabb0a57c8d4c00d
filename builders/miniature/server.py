"""Serving the miniature on a loopback port: `--mini` goes through the very same downloader as the official files."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ib_data.builders.miniature import write_mirror
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.home import Home


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests of our own are no news."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, a connection of a crawl now and then waits a second for its turn


@contextmanager
def miniature_fetcher(home: Home, num_images: int = 40) -> Iterator[Fetcher]:
    """A fetcher whose mirror is the miniature of that size, written into `home` first where it is not there yet."""
    folder = home.miniature / f"{num_images}"
    checksums = write_mirror(folder / "mirror", num_images=num_images)
    for inner in (home.miniature, folder, folder / "mirror", folder / "downloads"):
        Home(inner).mark()  # so that a copy of it, or a link to it, is never a source either
    with serve(folder / "mirror") as address:
        yield Fetcher(downloads=folder / "downloads", mirror=address, checksums=checksums)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address of a web server for the files under `folder`, on this machine only."""
    with _Server(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
