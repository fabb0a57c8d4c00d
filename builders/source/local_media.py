"""Images and clips in `--source`: in archives with official names, and loose in official folders."""

import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from ib_data.builders.source.archives.archive import open_archive
from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.media_folders import OfficialPlaces
from ib_data.builders.source.row import MediaRef
from ib_data.cards import MediaStore
from ib_data.errors import DataError

_REMEDY = "name only the right one with --source"


@dataclass(frozen=True, slots=True)
class MediaPlace:
    """Where the bytes of an image or clip are: a member of an archive, or a loose file (`member` None).

    `is_fixed` is true for crawled files, which never change.
    """

    path: Path
    member: str | None
    num_bytes: int
    is_fixed: bool = False

    def version(self, dataset: str) -> str:
        """Size and CRC-32 of the bytes, to detect a change. Reads a loose file."""
        if self.is_fixed:
            return str(self.num_bytes)
        if self.member is None:
            return f"{self.num_bytes} {zlib.crc32(self.path.read_bytes())}"
        return open_archive(self.path, dataset).version(self.member)

    def read(self, dataset: str) -> bytes:
        """The bytes of the source."""
        if self.member is None:
            return self.path.read_bytes()
        return open_archive(self.path, dataset).read(self.member)

    def is_same(self, other: "MediaPlace", dataset: str) -> bool:
        """Whether both hold the same bytes."""
        return self.num_bytes == other.num_bytes and self.read(dataset) == other.read(dataset)

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)


# A place, the archive or official folder that it is in, and why it is chosen.
_Candidate: TypeAlias = tuple[MediaPlace, Path, str]


@dataclass(frozen=True, slots=True)
class InSource:
    """Finds media of `dataset` under `--source`; `taken` counts them by (store, archive or folder, why)."""

    dataset: str
    places: OfficialPlaces
    taken: Counter[tuple[str, Path, str]] = field(default_factory=Counter)
    damaged: dict[Path, DataError] = field(default_factory=dict)
    _prefixes: dict[tuple[Path, str], str | None] = field(default_factory=dict)

    @property
    def folders(self) -> SourceFolders:
        """The folders to search."""
        return self.places.folders

    def find(self, store: MediaStore, refs: Iterable[MediaRef], are_empty: bool = False) -> dict[MediaRef, MediaPlace]:
        """The place of each image or clip that is here; with `are_empty`, of those that are empty files.

        An archive of the official size is preferred. Other copies of one image, in archives or loose, must be equal:
        DataError names two that differ.
        """
        left = list(refs)
        if not left or not self.folders.roots:
            return {}
        archives = self._opened(store)
        official = [path for path in archives if store.file and path.stat().st_size == store.file.num_bytes]
        others = [path for path in archives if path not in official]
        self._learn_prefixes(store, archives, left)
        found: dict[MediaRef, list[_Candidate]] = {}
        for ref in left:
            candidates = self._members(store, official, ref, "the archive of the official size")[:1]
            candidates = candidates or [*self._members(store, others, ref), *self._loose(store, ref, are_empty)]
            if candidates:
                found[ref] = candidates
        return self._chosen(store, found)

    def _chosen(self, store: MediaStore, found: "dict[MediaRef, list[_Candidate]]") -> dict[MediaRef, MediaPlace]:
        """One place for each image, from the archive or folder that holds most images.

        Raises DataError if loose images come from two folders under one `--source`: a second folder that only fills
        gaps usually holds depth maps, masks or another dataset's images.
        """
        holds = Counter(folder for candidates in found.values() for _, folder, _ in candidates)
        places: dict[MediaRef, MediaPlace] = {}
        loose: dict[Path, MediaPlace] = {}
        for ref, candidates in found.items():
            candidates.sort(key=lambda candidate: -holds[candidate[1]])
            place, folder, why = self._only(candidates)
            self.taken[store.name, folder, why] += 1
            places[ref] = place
            if place.member is None:
                loose.setdefault(folder, place)
        inner = [folder for folder in loose if folder not in self.folders.roots]
        for one, two in itertools.combinations(inner, 2):
            if self.folders.root_of(one) == self.folders.root_of(two):
                what = f"{store.kind}s of {store.name} are in two folders, {one} and {two} (first {loose[two]})"
                raise DataError(
                    self.dataset, what, remedy="name the right one with --source, or each of them by itself"
                )
        return places

    def _opened(self, store: MediaStore) -> list[Path]:
        """The archives of the store that open; errors of the others are raised only if an image stays missing."""
        sound = []
        for path in self.places.archives_of(store):
            try:
                if path.stat().st_size and open_archive(path, self.dataset).members is not None:
                    sound.append(path)
            except DataError as error:
                self.damaged[path] = error
        return sound

    def holds_any(self, store: MediaStore) -> bool:
        """Whether `--source` has an archive of the store, or a loose file in its official folder."""
        return bool(self.places.archives_of(store)) or any(self._is_of(path, store) for path in self._files())

    def found_elsewhere(self, store: MediaStore, ref: MediaRef) -> list[Path]:
        """The files with the image's name that do not count because they are not in an official folder."""
        return [path for tail in store.tails(ref.image_id) for path, _ in self._named(tail)]

    def without_any(self, store: MediaStore, refs: list[MediaRef]) -> DataError | None:
        """The error if an archive with the store's name does not open or holds none of the wanted images, else None."""
        for path in self.places.archives_of(store):
            if path in self.damaged:
                return self.damaged[path]
            if path.stat().st_size == 0:
                return DataError(self.dataset, "the file is empty", file=str(path), remedy="fetch it again")
            if self.places.is_surely_ours(path) and not self._members(store, [path], refs[0]):
                members = open_archive(path, self.dataset).members
                wanted = store.member(refs[0].image_id)
                if not any(self._members(store, [path], ref) for ref in refs):
                    problem = (
                        f"holds none of the {len(refs):,} wanted: no {wanted}, but {next(iter(members), 'nothing')}"
                    )
                    remedy = f"unpack it into a folder {'/'.join(store.folder[-1:]) or 'of its own'}, or fetch it again"
                    return DataError(self.dataset, problem, file=str(path), remedy=remedy)
        return None

    def _members(
        self, store: MediaStore, archives: list[Path], ref: MediaRef, why: str = "an archive of the official name"
    ) -> list[_Candidate]:
        found = []
        for path in archives:
            prefix = self._prefixes.get((path, store.name))
            if prefix is None:
                continue
            members = open_archive(path, self.dataset).members
            name = next((name for tail in store.tails(ref.image_id) if (name := prefix + tail) in members), None)
            if name is not None:
                found.append((MediaPlace(path, name, members[name]), path, f"--source, {why}"))
        return found

    def _learn_prefixes(self, store: MediaStore, archives: list[Path], refs: list[MediaRef]) -> None:
        """Find the folders before the ids in each archive: the official ones, one more, or none (repacked)."""
        for path in archives:
            if self._prefixes.get((path, store.name)) is not None:
                continue
            members = open_archive(path, self.dataset).members
            official = "".join(f"{name}/" for name in store.folder)
            if any(official + tail in members for ref in refs for tail in store.tails(ref.image_id)):
                self._prefixes[path, store.name] = official
            else:
                self._prefixes[path, store.name] = self._prefix_repacked(store, path, members, refs)

    def _prefix_repacked(
        self, store: MediaStore, path: Path, members: Mapping[str, int], refs: list[MediaRef]
    ) -> str | None:
        tails = {tail for ref in refs for tail in store.tails(ref.image_id)}
        depth, own = {tail.count("/") + 1 for tail in tails}, list(store.folder[-1:])
        found = set()
        for member in members:
            parts = member.split("/")
            for num in depth:
                prefix = parts[:-num]
                is_place = not prefix or prefix[-1:] == own or (not own and len(prefix) == 1)
                if is_place and "/".join(parts[-num:]) in tails:
                    found.add("".join(f"{name}/" for name in prefix))
        if len(found) > 1:
            one, two = sorted(found)[:2]
            problem = f"holds the wanted names in two folders, {one!r} and {two!r}"
            raise DataError(self.dataset, problem, file=str(path), remedy=f"unpack it, and {_REMEDY}")
        return found.pop() if found else None

    def _loose(self, store: MediaStore, ref: MediaRef, are_empty: bool) -> list[_Candidate]:
        """The loose files in official folders, for the first of the image's names that any file has."""
        for tail in store.tails(ref.image_id):
            found = []
            for path, folder in self._named(tail):
                size = _size(path)
                if size is not None and (size == 0) == are_empty and self.places.is_folder_of(folder, store):
                    found.append((MediaPlace(path, None, size), folder, "--source, loose files in the official folder"))
            if found:
                return found
        return []

    def _named(self, tail: str) -> list[tuple[Path, Path]]:
        """(path, folder before `tail`) for every file whose path ends in `tail`."""
        parts = PurePosixPath(tail).parts
        num = len(parts)
        return [(path, path.parents[num - 1]) for path in self.folders.named(parts[-1]) if path.parts[-num:] == parts]

    def _only(self, candidates: list[_Candidate]) -> _Candidate:
        first, *others = candidates
        for place, _, _ in others:
            if not first[0].is_same(place, self.dataset):
                problem = f"two different files of one image: {first[0]} and {place}"
                raise DataError(self.dataset, problem, remedy=_REMEDY)
        return first

    def _files(self) -> Iterable[Path]:
        return (path for name in self.folders.names() for path in self.folders.named(name))

    def _is_of(self, path: Path, store: MediaStore) -> bool:
        return store.names(path) and any(self.places.is_folder_of(folder, store) for folder in path.parents[:3])


def _size(path: Path) -> int | None:
    """The size of a file in bytes; None for a broken link."""
    try:
        return path.stat().st_size
    except OSError:
        return None
