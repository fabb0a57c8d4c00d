"""Finding the images and clips that rows refer to: in `--source` folders, in archives, or one by one on the web."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ib_data.builders.archive import Archive
from ib_data.builders.crawl import crawl
from ib_data.builders.fetch import Fetcher
from ib_data.builders.pictures import Opened, open_picture
from ib_data.builders.rows import MediaRef
from ib_data.builders.sources import SourceFolders, gate_error
from ib_data.cards import MediaStore, family, media_stores


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of an image or clip lie: a member of an archive, or a loose file (`member` None).

    `is_fixed` is true of a file that nothing but its crawl ever wrote.
    """

    path: Path
    member: str | None
    num_bytes: int
    is_fixed: bool = False

    def version(self, dataset: str) -> str:
        """Size and CRC-32: what tells that these bytes were exchanged for others. Reads a loose file."""
        if self.is_fixed:
            return str(self.num_bytes)
        if self.member is None:
            return f"{self.num_bytes} {zlib.crc32(self.path.read_bytes())}"
        return f"{self.num_bytes} {_archive(self.path, dataset).checksum(self.member)}"

    def read(self, dataset: str) -> bytes:
        """The bytes as the source has them."""
        if self.member is None:
            return self.path.read_bytes()
        return _archive(self.path, dataset).read(self.member)


@dataclass(frozen=True, slots=True)
class Found:
    """The places of all media that are at hand, and why crawled ones are lost: those are drops, never an error."""

    places: dict[MediaRef, Place]
    lost: dict[MediaRef, str]


def open_media(kind: str, data: bytes, max_side: int | None = None) -> Opened:
    """The image or clip in `data`, proven to open; MediaError where it does not. `max_side` is for images."""
    if kind == "image":
        return open_picture(data, max_side)
    from ib_data.builders.clips import open_clip

    return open_clip(data)


@lru_cache(maxsize=16)
def _archive(path: Path, dataset: str) -> Archive:
    """An open archive, kept: one with the 82,783 members of train2014.zip takes 0.5 s to open."""
    return Archive(path, dataset)


def find_media(
    refs: Iterable[MediaRef], dataset: str, folders: SourceFolders, fetcher: Fetcher, allow_missing: bool = False
) -> Found:
    """The places of all media that are at hand; archives and single files are fetched for those that are not.

    A photo counts under its id in any store of its family (COCO's 2014 and 2017 archives hold the same photos).
    Where `--source` holds media of the family, none are downloaded: the folder was meant to have them. What is gated is
    asked of a mirror only.
    """
    wanted = set(refs)
    places = {ref: place for ref in wanted if (place := _loose(ref, dataset, folders))}
    lost: dict[MediaRef, str] = {}
    names = sorted({ref.store for ref in wanted})
    for store, path in _archives_at_hand(names, folders, fetcher):
        if any(media_stores()[ref.store].family == store.family for ref in wanted - places.keys()):
            _add(places, wanted, store, path, dataset)
    from_source = {ref.store for ref, place in places.items() if folders.holds(place.path)}
    for name, part in ((whole, part) for whole in names for part in media_stores()[whole].parts or (whole,)):
        store = media_stores()[part]
        missing = sorted(
            (ref for ref in wanted - places.keys() if ref.store == name), key=lambda ref: str(ref.image_id)
        )
        if not missing or name in from_source or any(folders.holds_media_of(other) for other in family(name)):
            continue
        if store.each is not None:
            if store.gate and fetcher.mirror is None:
                raise gate_error(dataset, store.gate, None, fetcher)
            _crawl(places, lost, store, missing, fetcher, allow_missing)
        elif store.file is not None:
            if store.gate and not fetcher.reaches(store.file):
                raise gate_error(dataset, store.gate, store.file, fetcher)
            _add(places, wanted, store, fetcher.fetch(store.file, dataset), dataset)
    return Found(places, lost)


def _loose(ref: MediaRef, dataset: str, folders: SourceFolders) -> Place | None:
    if not folders.roots:
        return None
    for store in family(ref.store):
        for tail in store.tails(ref.image_id):
            path = folders.ending(tail, store.member(ref.image_id), dataset)
            if path is not None:
                return Place(path, None, path.stat().st_size)
    return None


def _archives_at_hand(
    names: Iterable[str], folders: SourceFolders, fetcher: Fetcher
) -> Iterator[tuple[MediaStore, Path]]:
    """The archives that need no download, of every store in the families of `names`, in a fixed order.

    All files of an archive's name are among them: what they hold tells whose they are.
    """
    for store in {store.name: store for name in names for store in family(name)}.values():
        if store.file is not None:
            at_hand = [*folders.named(PurePosixPath(store.file.name).name), fetcher.place(store.file)]
            yield from ((store, path) for path in at_hand if path.exists())


def _add(places: dict[MediaRef, Place], wanted: set[MediaRef], store: MediaStore, path: Path, dataset: str) -> None:
    members = _archive(path, dataset).members
    for ref in wanted - places.keys():
        if media_stores()[ref.store].family == store.family:
            member = store.member(ref.image_id)
            if member in members:
                places[ref] = Place(path, member, members[member])


def _crawl(
    places: dict[MediaRef, Place],
    lost: dict[MediaRef, str],
    store: MediaStore,
    refs: list[MediaRef],
    fetcher: Fetcher,
    allow_missing: bool,
) -> None:
    assert store.each is not None
    urls = {ref: store.each.format(image_id=ref.image_id, url=ref.url) for ref in refs}
    results = crawl(urls.values(), store.kind, fetcher, allow_missing)
    for ref, url in urls.items():
        result = results.get(url)
        if isinstance(result, Path):
            places[ref] = Place(result, None, result.stat().st_size, is_fixed=True)
        elif result is not None:
            lost[ref] = result
