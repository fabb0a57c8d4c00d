"""Serving the miniature on a loopback port: `--mini` goes through the very same downloader as the official files."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ib_data.builders.miniature.mirror import DATASETS, write_mirror
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.home import Home


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests of our own are no news."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, a connection of a crawl now and then waits a second for its turn


@contextmanager
def miniature_fetcher(
    home: Home,
    num_images: int = 40,
    *,
    datasets: Iterable[str] | None = None,
    with_media: bool = True,
    tell: Callable[[str], None] = lambda _line: None,
) -> Iterator[Fetcher]:
    """A fetcher whose mirror is the miniature of that size; what it lacks of `datasets` is drawn into `home` first.

    `datasets`, `with_media` and `tell` as in `write_mirror`, but for datasets that the miniature does not have: they
    are passed over, since building one says so.
    """
    folder = home.miniature / f"{num_images}"
    known = None if datasets is None else [name for name in datasets if name in DATASETS]
    checksums = write_mirror(folder / "mirror", num_images=num_images, datasets=known, with_media=with_media, tell=tell)
    (folder / "mirror").mkdir(exist_ok=True)
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
