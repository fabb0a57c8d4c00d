"""List what a build would read and fetch, without fetching or writing anything."""

from collections.abc import Iterator
from dataclasses import dataclass

from ib_data.builders.all import builder_of
from ib_data.builders.source.files import Files
from ib_data.builders.source.media_finder import find_media
from ib_data.builders.source.official_files import at_hand, is_closed
from ib_data.builders.source.origins import Origin, origins_of_files
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.plan import group, make_plan
from ib_data.builders.write.split_choice import chosen_splits
from ib_data.cards import Card, MediaStore, SourceFile, media_stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One input of a split. `num_bytes` is the size of the download: 0 if it is here, None if unknown."""

    split: str
    origin: Origin
    num_bytes: int | None = 0


def steps(card: Card, build: Build, split: str | None = None) -> list[Step]:
    """Every input of the splits that would be built: files first, then images and clips.

    Images are counted only if all annotation files are here; otherwise it is not known which are needed.
    """
    form, names = chosen_splits(card, build, split)
    return [step for name in names for step in _steps(card, build, name, form)]


def _steps(card: Card, build: Build, split: str, form: str | None) -> Iterator[Step]:
    if build.from_hub:
        yield Step(split=split, origin=Origin(what="rows", place=card.hub.id if card.hub else "", why="hub mirror"))
        return
    files, lacking = at_hand(card, split, form, build.folders, build.fetcher)
    for origin in origins_of_files(files, build.folders):
        yield Step(split=split, origin=origin)
    for file in lacking:
        yield Step(split=split, origin=_to_fetch(card, file, build), num_bytes=file.num_bytes)
    if not build.options.media:
        return
    if all(file.optional for file in lacking):
        yield from _media(card, build, files)
        return
    for store in map(media_stores().__getitem__, card.media):
        by_hand = f", by hand: {store.gate.where}" if store.gate else ""
        why = f"to be fetched if rows want them{by_hand}"
        yield Step(split=split, origin=Origin(what=store.name, place=_address(store), why=why, num_files=0))


def _to_fetch(card: Card, file: SourceFile, build: Build) -> Origin:
    why = "to be fetched"
    if card.gate and is_closed(card.gate, file, build.fetcher):
        why = f"must be fetched by hand: {card.gate.where}"
    return Origin(what=file.role, place=file.url, why=why)


def _media(card: Card, build: Build, files: Files) -> Iterator[Step]:
    images, drops = group(files, builder_of(card)(files), card.splits[files.split])
    refs = [planned.ref for planned in make_plan(files, images, drops).samples[: build.options.limit]]
    located = {found.file.name: found.path for found in files.located.values()}
    found = find_media(refs, card.name, build.folders, build.fetcher, True, located, is_dry=True)
    for origin in found.origins:
        yield Step(split=files.split, origin=origin)
    missing = [ref for ref in refs if ref not in found.places]
    for name in sorted({ref.store for ref in missing}):
        number = sum(ref.store == name for ref in missing)
        parts = media_stores()[name].parts
        for store in map(media_stores().__getitem__, parts or (name,)):
            # Which of several parts holds an image is only known after fetching them.
            yield _missing(card, store, 0 if parts else number, build, files.split, found.near)


def _missing(card: Card, store: MediaStore, number: int, build: Build, split: str, near: str) -> Step:
    why, num_bytes = "to be fetched", store.file.num_bytes if store.file and not store.each else None
    if store.gate and is_closed(store.gate, None if store.each else store.file, build.fetcher):
        why, num_bytes = f"must be fetched by hand: {store.gate.where}", 0
    elif build.folders.roots and build.source_holds(card, store):
        why, num_bytes = f"missing in --source{f' ({near})' if near else ''}", 0
    return Step(
        split=split,
        origin=Origin(what=store.name, place=_address(store), why=why, num_files=number),
        num_bytes=num_bytes,
    )


def _address(store: MediaStore) -> str:
    return store.file.url if store.file and not store.each else store.each or ""
