"""Serving the miniature on a loopback port, so that `--mini` uses the same downloader as the official files."""

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
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the default of 5, some connections of a crawl wait a second


@contextmanager
def miniature_fetcher(
    home: Home,
    num_images: int = 40,
    *,
    datasets: Iterable[str] | None = None,
    with_media: bool = True,
    tell: Callable[[str], None] = lambda _line: None,
) -> Iterator[Fetcher]:
    """A fetcher with the miniature of that size as its mirror; first draws what it lacks of `datasets` into `home`.

    `datasets`, `with_media` and `tell` as in `write_mirror`. Datasets without a miniature are skipped here; building
    one reports the error.
    """
    folder = home.miniature / f"{num_images}"
    known = None if datasets is None else [name for name in datasets if name in DATASETS]
    checksums = write_mirror(folder / "mirror", num_images=num_images, datasets=known, with_media=with_media, tell=tell)
    (folder / "mirror").mkdir(exist_ok=True)
    for inner in (home.miniature, folder, folder / "mirror", folder / "downloads"):
        Home(inner).mark()  # so that a copy of it, or a link to it, is never read as a source
    with serve(folder / "mirror") as address:
        yield Fetcher(downloads=folder / "downloads", mirror=address, checksums=checksums)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve the files under `folder` on loopback; yields the address."""
    with _Server(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
