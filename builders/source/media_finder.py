"""Finding the images and clips that rows refer to: in `--source` folders, in archives, or one by one on the web."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ib_data.builders.source.archives.archive import open_archive
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.local_media import InSource, MediaPlace
from ib_data.builders.source.media_folders import OfficialPlaces
from ib_data.builders.source.official_files import gate_error, is_closed, what_is_fetched
from ib_data.builders.source.origins import Origin, origins_of_media
from ib_data.builders.source.row import MediaRef
from ib_data.builders.source.web.crawl import crawl
from ib_data.builders.source.web.crawl_record import Record
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.cards import MediaStore, family, media_stores, other_parts
from ib_data.console import note, progress
from ib_data.media.opened_image import Opened, open_image

_MOST_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Found:
    """The places of all media that were found, and why crawled ones are lost: those are drops, never an error.

    `near` describes a near miss of the first missing one, "" if there is none.
    """

    places: dict[MediaRef, MediaPlace]
    lost: dict[MediaRef, str]
    origins: tuple[Origin, ...] = ()
    near: str = ""


def open_media(kind: str, data: bytes, max_side: int | None = None) -> Opened:
    """Open the image or clip in `data`; MediaError if it does not open. `max_side` is for images only."""
    if kind == "image":
        return open_image(data, max_side)
    from ib_data.media.opened_clip import open_clip

    return open_clip(data)


def find_media(
    refs: Iterable[MediaRef],
    dataset: str,
    folders: SourceFolders,
    fetcher: Fetcher,
    allow_missing: bool = False,
    located: Mapping[str, Path] | None = None,
    is_dry: bool = False,
) -> Found:
    """Find all media, and fetch archives or single files for missing ones.

    Searches `--source` first, then earlier downloads. An image may come from any store of its family (COCO's 2014 and
    2017 archives hold the same images). If `--source` holds media of the family, none are fetched, since the folder was
    meant to have them. Gated files are only fetched from a mirror. `located` are the annotation files by their official
    names: media in the same archive or tree are read from there. `is_dry`: fetch nothing.
    """
    search = _Search(dataset, InSource(dataset, OfficialPlaces(folders, dataset, located)), fetcher, allow_missing)
    by_store: dict[str, list[MediaRef]] = {}
    for ref in sorted(set(refs), key=lambda ref: (ref.store, str(ref.image_id))):
        by_store.setdefault(ref.store, []).append(ref)
    looking = progress(by_store.items(), f"{dataset}: looking for images and clips", "archive", len(by_store))
    for name, wanted in looking:
        search.at_hand(name, wanted)
        if is_dry:
            search.crawled(name, wanted)
        else:
            search.fetched(name, wanted)
    missing = search.left(ref for wanted in by_store.values() for ref in wanted)
    return Found(
        search.places,
        search.lost,
        tuple(origins_of_media(search.source.taken + search.taken, folders)),
        search.near(missing[0]) if missing else "",
    )


class _Search:
    """One search for the media of a dataset; fills `places` and `lost`."""

    def __init__(self, dataset: str, source: InSource, fetcher: Fetcher, allow_missing: bool) -> None:
        self.dataset, self.source, self.fetcher, self.allow_missing = dataset, source, fetcher, allow_missing
        self.places: dict[MediaRef, MediaPlace] = {}
        self.lost: dict[MediaRef, str] = {}
        self.taken: Counter[tuple[str, Path, str]] = Counter()

    def left(self, wanted: Iterable[MediaRef]) -> list[MediaRef]:
        """Those of `wanted` that are neither found nor lost."""
        return [ref for ref in wanted if ref not in self.places and ref not in self.lost]

    def at_hand(self, name: str, wanted: list[MediaRef]) -> None:
        """Search the images of the store `name` in `--source`, then in fetched archives."""
        for store in family(name):
            self.places |= self.source.find(store, self.left(wanted))
        for store in family(name):
            if store.file is not None and (path := self.fetcher.place(store.file)).exists():
                self._add(store, path, self.left(wanted))
        for store in family(name):  # an empty file counts only if there is no other
            self.places |= self.source.find(store, self.left(wanted), are_empty=True)

    def crawled(self, name: str, wanted: list[MediaRef]) -> None:
        """Take the results of earlier crawls for the store `name`."""
        store, folder = media_stores()[name], self.fetcher.downloads / "crawled"
        if store.each is None or not folder.is_dir():
            return
        record = Record(folder)
        for ref in self.left(wanted):
            self._take(store, ref, record.known(store.each.format(image_id=ref.image_id, url=ref.url)))

    def fetched(self, name: str, wanted: list[MediaRef]) -> None:
        """Fetch the missing images of the store `name`, unless `--source` holds media of its family."""
        for store in (media_stores()[part] for part in media_stores()[name].parts or (name,)):
            missing = self.left(wanted)
            if not missing:
                return
            if not self.allow_missing and (error := self.source.without_any(store, missing)):
                raise error
            if self._is_in_source(name) or self._is_elsewhere(missing):
                return
            self._fetch(store, missing)

    def _is_in_source(self, name: str) -> bool:
        """Whether `--source` holds any media of the family of the store `name`."""
        taken = {store for store, _, _ in self.source.taken}
        stores = family(name) if self.source.folders.roots else []
        return any(store.name in taken or self.source.holds_any(store) for store in stores)

    def _is_elsewhere(self, missing: list[MediaRef]) -> bool:
        """Whether `--source` has these files in folders that do not count; a note names them."""
        near = self.near(missing[0]) if self.source.folders.roots else ""
        if near:
            note(f"{self.dataset}: {len(missing):,} images or clips are not fetched; the first is {near}")
        return bool(near)

    def near(self, ref: MediaRef) -> str:
        """A near miss of a missing image: in a folder that does not count, or in another split's archive."""
        for part in other_parts(ref.store):
            if InSource(self.dataset, self.source.places).find(part, [ref]):
                return f"it is in {part.name}, another split's: is the annotation file of another split?"
        found = [str(path) for store in family(ref.store) for path in self.source.found_elsewhere(store, ref)]
        paths = list(dict.fromkeys(found))[:_MOST_SHOWN]
        return f"not in its official folder, so not used: {', '.join(paths)}" if paths else ""

    def _fetch(self, store: MediaStore, missing: list[MediaRef]) -> None:
        if self.source.folders.roots and (store.file or store.each):
            archive = store.file if store.each is None else None
            what = what_is_fetched(archive, self.fetcher) if archive else "fetching them one by one"
            note(f"{self.dataset}: {len(missing):,} {store.kind}s are not in --source {self.source.folders}; {what}")
        if store.each is not None:
            if store.gate and is_closed(store.gate, None, self.fetcher):
                raise gate_error(self.dataset, store.gate, None, self.fetcher)
            self._crawl(store, missing)
        elif store.file is not None:
            if store.gate and is_closed(store.gate, store.file, self.fetcher):
                raise gate_error(self.dataset, store.gate, store.file, self.fetcher)
            self._add(store, self.fetcher.fetch(store.file, self.dataset), missing)

    def _add(self, store: MediaStore, path: Path, refs: list[MediaRef]) -> None:
        members = open_archive(path, self.dataset).members
        for ref in refs:
            member = store.member(ref.image_id)
            if member in members:
                self.places[ref] = MediaPlace(path, member, members[member])
                self.taken[store.name, path, "fetched"] += 1

    def _crawl(self, store: MediaStore, refs: list[MediaRef]) -> None:
        assert store.each is not None
        urls = {ref: store.each.format(image_id=ref.image_id, url=ref.url) for ref in refs}
        results = crawl(urls.values(), store.kind, self.fetcher, self.allow_missing)
        for ref, url in urls.items():
            self._take(store, ref, results.get(url))

    def _take(self, store: MediaStore, ref: MediaRef, result: Path | str | None) -> None:
        if isinstance(result, Path):
            self.places[ref] = MediaPlace(result, None, result.stat().st_size, is_fixed=True)
            self.taken[store.name, Path("crawled"), "fetched one by one"] += 1
        elif result is not None:
            self.lost[ref] = result
