"""Where the official files of a split are: in `--source` folders, or fetched.

A file may lie in a `--source` folder under its official name, as the archive or as the bare member of it. Files there
are used as they are: one whose checksum is not the official one is named once, and its own checksum stands in the
manifest.
"""

import filecmp
import hashlib
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from ib_data.builders.fetch import Fetcher, sha256_of
from ib_data.builders.files import Files, Located, unpacked
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
        return self._best(self.named(PurePosixPath(official).name), official, dataset)

    def named(self, name: str) -> list[Path]:
        """Every file of this name; different datasets publish files of one name (`test.zip`, `train.jsonl`)."""
        return self._by_name.get(name, [])

    def ending(self, tail: str, official: str, dataset: str) -> Path | None:
        """A loose file whose path ends in `tail` (a name, or folders and a name); of several as `find` does."""
        parts = PurePosixPath(tail).parts
        paths = [path for path in self.named(parts[-1]) if path.parts[-len(parts) :] == parts]
        return self._best(paths, official, dataset)

    def _best(self, paths: list[Path], official: str, dataset: str) -> Path | None:
        if len(paths) < 2:
            return paths[0] if paths else None
        parts = PurePosixPath(official).parts
        first, second = sorted(paths, key=lambda path: self._rank(path, parts))[:2]
        if self._rank(first, parts) == self._rank(second, parts) and not _same(first, second):
            problem = f"two different files of this name: {first} and {second}"
            raise DataError(dataset, problem, file=parts[-1], remedy="name the right folder or file with --source")
        return first

    def tree(self, file: SourceFile) -> Path | None:
        """The unpacked folder that holds the loose files of the tree of `file`: the first one of its name."""
        assert file.tree is not None
        top, name = PurePosixPath(file.tree[0]).name, file.tree[1]
        for path in self._by_name.get(name, []):
            if top in path.parent.parts:
                return next(folder for folder in path.parents if folder.name == top)
        return None

    def holds_media_of(self, store: MediaStore) -> bool:
        """Whether any loose file lies here that is named as one of the media of `store`."""
        return any(store.names(path) for paths in self._by_name.values() for path in paths)

    def holds(self, path: Path) -> bool:
        """Whether `path` is one of these files."""
        return any(path == root or root in path.parents for root in self.roots)

    def _rank(self, path: Path, parts: tuple[str, ...]) -> tuple[int, int]:
        same = 0
        for own, official in zip(reversed(path.parts), reversed(parts), strict=False):
            if own != official:
                break
            same += 1
        root = next(i for i, root in enumerate(self.roots) if path == root or root in path.parents)
        return -same, root


def _same(one: Path, other: Path) -> bool:
    """Whether two paths hold the same bytes; compared in pieces, since they may be archives."""
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)


def _walk(root: Path) -> Iterator[Path]:
    """The files below `root`, links followed; a folder that a link leads back to is entered once."""
    visited = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        stat = Path(folder).stat()
        if (stat.st_dev, stat.st_ino) in visited:
            folders.clear()
            continue
        visited.add((stat.st_dev, stat.st_ino))
        yield from (Path(folder) / name for name in names)


def locate(card: Card, file: SourceFile, folders: SourceFolders, fetcher: Fetcher) -> Located:
    """The file in a `--source` folder, else fetched; DataError where a person must fetch it first."""
    path, member = find_in_folders(card, file, folders)
    if path is None:
        if card.gate and not fetcher.reaches(file):
            raise gate_error(card.name, card.gate, file, fetcher)
        path = fetcher.fetch(file, card.name)
        return Located(file=file, path=path, member=file.member, sha256=fetcher.sha256(file))
    digest = sha256_of(path) if path.is_file() else _sha256_of_tree(unpacked(path, file))
    if path.is_file() and member == file.member and file.sha256 not in (None, digest):
        note(f"{card.name}: {path} is not the official file (sha256 {digest}, official {file.sha256}); used as it is")
    return Located(file=file, path=path, member=member, sha256=digest)


def find_in_folders(card: Card, file: SourceFile, folders: SourceFolders) -> tuple[Path | None, str | None]:
    """(path, member to read from it) of a file under its own name, or of the bare member; (None, None) if neither."""
    url_path = PurePosixPath(file.url.split("?")[0])
    path = folders.find(str(url_path.with_name(PurePosixPath(file.name).name)), card.name)
    if path is not None:
        return path, file.member
    if file.tree:
        return folders.tree(file), file.member
    bare = folders.find(file.member, card.name) if file.member else None
    return bare, None


def _sha256_of_tree(files: dict[str, Path]) -> str:
    lines = (f"{sha256_of(path)}  {name}\n" for name, path in files.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def gate_error(dataset: str, gate: Gate, file: SourceFile | None, fetcher: Fetcher) -> DataError:
    """What to ask for, where, and where to lay it down; `file` is None for media that are single files."""
    problem = f"must be fetched by hand ({gate.kind}): {gate.where}"
    remedy = f"lay {gate.lay_down} into a folder and name it with --source"
    if file is None:
        return DataError(dataset, problem, remedy=f"{remedy} (or build with --no-media)")
    return DataError(dataset, problem, file=file.name, remedy=f"{remedy}, or put this file at {fetcher.place(file)}")


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
