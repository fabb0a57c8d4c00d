"""Where the official files of a split are: in `--source` folders, or fetched.

A file may lie in a `--source` folder under its official name, as the archive or as the bare member of it. Files there
are used as they are: one whose checksum is not the official one is named once, and its own checksum stands in the
manifest.
"""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from ib_data.builders.fetch import Fetcher, sha256_of
from ib_data.builders.files import Files, Located
from ib_data.cards import Card, Gate, MediaStore, SourceFile
from ib_data.console import note
from ib_data.errors import DataError, IbDataError


class SourceFolders:
    """The files under the `--source` folders (each may also be a single file), found by their names."""

    def __init__(self, roots: tuple[Path, ...] = ()) -> None:
        self.roots = roots

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for root in self.roots:
            if not root.exists():
                raise IbDataError(f"--source {root}: there is no such folder or file")
            for path in [root] if root.is_file() else sorted(_walk(root)):
                found.setdefault(path.name, []).append(path)
        return found

    def find(self, official: str, dataset: str) -> Path | None:
        """The file under the name of `official`, a path as the source writes it; None where there is none.

        Of several, the one that shares most of the official path's last parts is taken, then the one of an earlier
        `--source`; DataError when that does not decide.
        """
        parts = PurePosixPath(official).parts
        paths = self._by_name.get(parts[-1], []) if parts else []
        if len(paths) < 2:
            return paths[0] if paths else None
        ranked = sorted(paths, key=lambda path: self._rank(path, parts))
        first, second = ranked[:2]
        if self._rank(first, parts) == self._rank(second, parts) and first.read_bytes() != second.read_bytes():
            problem = f"two different files of this name: {first} and {second}"
            raise DataError(dataset, problem, file=parts[-1], remedy="name the right folder or file with --source")
        return first

    def ending(self, tail: str) -> Path | None:
        """A loose file whose path ends in `tail` (a name, or folders and a name), of the first `--source` with one."""
        parts = PurePosixPath(tail).parts
        for path in self._by_name.get(parts[-1], []):
            if path.parts[-len(parts) :] == parts:
                return path
        return None

    def tree(self, top: str) -> Iterator[Path]:
        """The files below every folder called `top` (as unpacked from an archive), in the order of their paths."""
        paths = (path for paths in self._by_name.values() for path in paths)
        return (path for path in sorted(paths) if top in path.parts[:-1])

    def holds_media_of(self, store: MediaStore) -> bool:
        """Whether the archive of `store`, or any loose file named as one of its media, lies here."""
        archive = store.file.name if store.file else None
        return archive in self._by_name or any(map(store.names, self._by_name))

    def _rank(self, path: Path, parts: tuple[str, ...]) -> tuple[int, int]:
        same = 0
        for own, official in zip(reversed(path.parts), reversed(parts), strict=False):
            if own != official:
                break
            same += 1
        root = next(i for i, root in enumerate(self.roots) if path == root or root in path.parents)
        return -same, root


def _walk(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root, followlinks=True):
        for name in names:
            yield Path(folder) / name


def locate(card: Card, file: SourceFile, folders: SourceFolders, fetcher: Fetcher) -> Located:
    """The file in a `--source` folder, else fetched; DataError where a person must fetch it first."""
    path, member = find_in_folders(card, file, folders)
    if path is None:
        if card.gate and not fetcher.place(file).exists():
            raise gate_error(card.name, card.gate, file, fetcher)
        path = fetcher.fetch(file, card.name)
        return Located(file=file, path=path, member=file.member, sha256=fetcher.sha256(file))
    digest = sha256_of(path)
    if member == file.member and file.sha256 not in (None, digest):
        note(f"{card.name}: {path} is not the official file (sha256 {digest}, official {file.sha256}); used as it is")
    return Located(file=file, path=path, member=member, sha256=digest)


def find_in_folders(card: Card, file: SourceFile, folders: SourceFolders) -> tuple[Path | None, str | None]:
    """(path, member to read from it) of a file under its own name, or of the bare member; (None, None) if neither."""
    url_path = PurePosixPath(file.url.split("?")[0])
    path = folders.find(str(url_path.with_name(PurePosixPath(file.name).name)), card.name)
    if path is not None:
        return path, file.member
    bare = folders.find(file.member, card.name) if file.member else None
    return bare, None


def gate_error(dataset: str, gate: Gate, file: SourceFile, fetcher: Fetcher) -> DataError:
    """What to ask for, where, and where to lay it down."""
    problem = f"must be fetched by hand ({gate.kind}): {gate.where}"
    remedy = f"lay {gate.lay_down} into a folder and name it with --source, or put this file at {fetcher.place(file)}"
    return DataError(dataset, problem, file=file.name, remedy=remedy)


def files_of(card: Card, split: str, form: str | None) -> list[SourceFile]:
    """The card's files that a build of one split in one form reads."""
    return [f for f in card.files if f.split in (None, split) and f.form in (None, form)]


def resolve(card: Card, split: str, form: str | None, folders: SourceFolders, fetcher: Fetcher) -> Files:
    """All files of one split, located; fetches what is not at hand.

    An optional file that the `--source` lacks is not fetched where the source holds the others: it is named once.
    """
    files = files_of(card, split, form)
    from_source = any(find_in_folders(card, file, folders)[0] for file in files if not file.optional)
    located = {}
    for file in files:
        if file.optional and from_source and find_in_folders(card, file, folders)[0] is None:
            note(f"{card.name}: {file.name} ({file.role}) is not in --source; built without it")
        else:
            located[file.role] = locate(card, file, folders, fetcher)
    return Files(dataset=card.name, split=split, form=form, located=located)
