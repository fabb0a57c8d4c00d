"""What a build needs before it starts: files that a person must fetch, and the size of the download."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ib_data.builders.source.official_files import gate_error, is_closed, not_at_hand
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.split_choice import chosen_splits
from ib_data.cards import Card, MediaStore, SourceFile, family, media_stores
from ib_data.console import count_text, note, size_text
from ib_data.errors import DataError, IbDataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What some datasets still need. `by_hand`: by dataset, an error for each gate.

    `files`: annotation files. `media`: archives to fetch if rows need them. `one_by_one`: datasets whose images
    or clips are fetched one by one, with unknown sizes.
    """

    by_hand: Mapping[str, list[DataError]]
    files: tuple[SourceFile, ...] = ()
    media: tuple[SourceFile, ...] = ()
    one_by_one: tuple[str, ...] = ()

    @property
    def line(self) -> str | None:
        """The size of the download in words; None if there is nothing to fetch."""
        parts = [_sum(self.files, "")] if self.files else []
        parts += [_sum(self.media, "at most ") + " of images and clips"] if self.media else []
        if self.one_by_one:
            parts.append(f"missing images or clips of {', '.join(self.one_by_one)}, one by one")
        return f"to fetch: {'; '.join(parts)}" if parts else None


def needs_of(cards: Iterable[Card], build: Build, split: str | None = None) -> Needs:
    """What the splits to be built still need. Reads no rows and fetches nothing.

    Skips datasets that cannot be built at all (`--source` holds nothing of them): their own build reports it.
    """
    by_hand: dict[str, dict[str, DataError]] = {}
    files: dict[str, SourceFile] = {}
    media: dict[str, SourceFile] = {}
    one_by_one: dict[str, None] = {}
    for card in cards:
        try:
            lacking, stores = _files(card, build, split), stores_to_fetch(card, build)
        except IbDataError:  # about a folder or a name: the dataset's own build reports it
            continue
        for file in lacking:
            if card.gate and is_closed(card.gate, file, build.fetcher):
                error = gate_error(card.name, card.gate, file, build.fetcher)
                by_hand.setdefault(card.name, {}).setdefault(card.gate.where, error)
            else:
                files[file.url] = file
        for store in stores:
            archive = None if store.each else store.file
            if store.gate and is_closed(store.gate, archive, build.fetcher):
                error = gate_error(card.name, store.gate, archive, build.fetcher)
                by_hand.setdefault(card.name, {}).setdefault(store.gate.where, error)
            elif archive:
                media[archive.url] = archive
            elif store.each:
                one_by_one[card.name] = None
    return Needs(
        by_hand={name: list(errors.values()) for name, errors in by_hand.items()},
        files=tuple(files.values()),
        media=tuple(file for url, file in media.items() if url not in files),
        one_by_one=tuple(one_by_one),
    )


def tell_needs(cards: Sequence[Card], build: Build, split: str | None = None) -> None:
    """Print how many bytes the build of these datasets will fetch.

    Raises IbDataError, after a line for each file, if a person must fetch some; with `allow_missing` only prints the
    names of their datasets, so that the others are built.
    """
    if build.options.miniature:  # it brings its own files
        return
    needs = needs_of(cards, build, split)
    errors = [error for found in needs.by_hand.values() for error in found]
    if len(cards) == 1 and errors:
        raise errors[0]
    if errors and not build.options.allow_missing:
        for error in errors:
            note(str(error))
        what = f"{len(needs.by_hand)} of {len(cards)} datasets have files that must be fetched by hand"
        others = " ".join(card.name for card in cards if card.name not in needs.by_hand)
        remedy = f"; build the others by name ({others}), or add --allow-missing" if others else ""
        raise IbDataError(f"{what}: {', '.join(needs.by_hand)}; nothing was fetched{remedy}")
    if errors:
        note(f"not built, files must be fetched by hand: {', '.join(needs.by_hand)}")
    if needs.line:
        note(needs.line)


def _files(card: Card, build: Build, split: str | None) -> list[SourceFile]:
    """The missing files of the chosen splits, each once."""
    if build.from_hub:
        return []
    form, names = chosen_splits(card, build, split, tell=lambda _line: None)  # the build prints these notes
    lacking = [not_at_hand(card, name, form, build.folders, build.fetcher) for name in names]
    return [file for files in lacking for file in files]


def stores_to_fetch(card: Card, build: Build) -> list[MediaStore]:
    """The media stores that the build may have to fetch.

    Empty if `--source` holds any of the media, since missing ones are then not fetched. With `--source`, gated stores
    are left out: the images may be in a folder that does not count, which the build reports after reading the rows.
    """
    stores = [store for name in card.media for store in family(name)]
    if not build.options.media or (build.folders.roots and any(build.source_holds(card, store) for store in stores)):
        return []
    parts = [part for name in card.media for part in media_stores()[name].parts or (name,)]
    return [
        store
        for store in map(media_stores().__getitem__, parts)
        if not (store.file and not store.each and build.fetcher.has(store.file))
        and not (store.gate and build.folders.roots)
    ]


def _sum(files: Sequence[SourceFile], bound: str) -> str:
    known = sum(file.num_bytes or 0 for file in files)
    unknown = sum(file.num_bytes is None for file in files)
    sizes = [f"{bound}{size_text(known)}"] if known or not unknown else []
    sizes += [f"{count_text(unknown, 'file')} of unknown size"] if unknown else []
    return " and ".join(sizes)
