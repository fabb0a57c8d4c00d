"""Opening a build (fetcher, folders, options), and running it for several datasets."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ib_data.addresses import mirror_fault
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import Card
from ib_data.console import error as tell_error
from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.home import MARKER, Home
from ib_data.stored.manifest import Manifest

T = TypeVar("T")


@contextmanager
def opened_build(
    home: Home,
    options: Options,
    *,
    sources: Sequence[Path] = (),
    mirror: str | None = None,
    from_hub: bool = False,
    datasets: Sequence[str] | None = None,
    report: Callable[[Manifest, bool], None] = lambda _manifest, _is_new: None,
) -> Iterator[Build]:
    """Open a build for `build_dataset` and `steps`; with `options.miniature`, serves the miniature while it is open.

    Draws only what `datasets` need of the miniature (None: all of it). IbDataError for an invalid mirror address,
    and for a mirror that is the miniature of a home.
    """
    folders = SourceFolders(tuple(path.absolute() for path in sources), home)
    with _fetcher(home, options, mirror, datasets) as fetcher:
        yield Build(home=home, fetcher=fetcher, folders=folders, options=options, from_hub=from_hub, report=report)


def with_each(cards: Sequence[Card], work: Callable[[Card], list[T]]) -> tuple[list[T], dict[str, IbDataError]]:
    """The results of `work` for each dataset, and the errors of those that fail; a failure does not stop the others."""
    found: list[T] = []
    failed: dict[str, IbDataError] = {}
    for card in cards:
        try:
            found += work(card)
        except IbDataError as error:  # a gate, a missing extra
            failed[card.name] = error
            if len(cards) > 1:
                tell_error(f"not built: {error}")
    return found, failed


def raise_failures(cards: Sequence[Card], failed: dict[str, IbDataError]) -> None:
    """Raise the error of a single dataset, or one error that names all failed datasets; do nothing without failures."""
    if len(cards) == 1 and failed:
        raise next(iter(failed.values()))
    if failed:
        raise IbDataError(f"{len(failed)} of {len(cards)} datasets were not built: {', '.join(failed)}")


def _fetcher(
    home: Home, options: Options, mirror: str | None, datasets: Sequence[str] | None
) -> AbstractContextManager[Fetcher]:
    if options.miniature:
        from ib_data.builders.miniature.server import miniature_fetcher  # imports the drawing code only if needed

        return miniature_fetcher(home, options.mini_size, datasets=datasets, with_media=options.media, tell=note)
    if fault := mirror_fault(mirror):
        raise IbDataError(fault)
    if mirror and urlsplit(mirror).scheme == "file":
        folder = Path(url2pathname(urlsplit(mirror).path))
        if any(path.name == "miniature" and (path.parent / MARKER).exists() for path in (folder, *folder.parents)):
            raise IbDataError(f"mirror {mirror}: is the miniature of a home; build from it with --mini (mini=True)")
    return nullcontext(Fetcher(downloads=home.downloads, mirror=mirror))
