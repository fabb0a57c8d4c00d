"""Where `ib-data build` fetches from: the hosts, a mirror, or the bundled miniature."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

from ib_data.addresses import without_user
from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.home import MARKER, Home


def check_mirror(mirror: str | None) -> None:
    """Raises click.UsageError for an address of another kind than a mirror has."""
    if mirror and _scheme(mirror) not in ("file", "http", "https"):
        expected = "expected an address that begins with file:, http: or https:"
        raise click.UsageError(f"--mirror {without_user(mirror)}: {expected}")


def fetcher_of(
    home: Home, mini: bool, mirror: str | None, mini_size: int, datasets: list[str], with_media: bool
) -> AbstractContextManager[Any]:
    """A Fetcher for some datasets, to be used inside a `with`; of the miniature only what they need is drawn.

    IbDataError where the mirror is the miniature of a home.
    """
    if mini:
        from ib_data.builders.miniature.server import miniature_fetcher

        return miniature_fetcher(home, mini_size, datasets=datasets, with_media=with_media, tell=note)
    from ib_data.builders.source.web.fetcher import Fetcher

    if mirror and urlsplit(mirror).scheme == "file":
        folder = Path(url2pathname(urlsplit(mirror).path))
        if any(path.name == "miniature" and (path.parent / MARKER).exists() for path in (folder, *folder.parents)):
            raise IbDataError(f"--mirror {mirror}: this is the drawn miniature of a home; build from it with --mini")
    return nullcontext(Fetcher(downloads=home.downloads, mirror=mirror))


def _scheme(address: str) -> str:
    try:
        return urlsplit(address).scheme
    except ValueError:
        return ""
