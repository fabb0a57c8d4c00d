"""The files under the `--source` folders, by name. Homes are always left out.

A home holds the miniature's mirror, whose files have official names: read as a source, the drawn images would be built
as official data.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ib_data.cards import SourceFile
from ib_data.errors import IbDataError
from ib_data.file_state import state_text
from ib_data.home import HOME_FOLDERS, Home, is_home


@dataclass(frozen=True, slots=True)
class Candidate:
    """An official file under `--source`: `member` of the archive at `path`, or the file itself if `member` is None."""

    path: Path
    member: str | None
    why: str


class SourceFolders:
    """The files under `roots` (folders or single files), by name, without `home` and every other home.

    Raises IbDataError for a missing root, and for a root that is a home or inside the miniature of one.
    """

    def __init__(self, roots: tuple[Path, ...] = (), home: Home | None = None) -> None:
        self.roots = roots
        self.decided: dict[tuple[str, SourceFile], Candidate | None] = {}  # by dataset and official file
        self._home = home

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in self.files():
            found.setdefault(path.name, []).append(path)
        return found

    def files(self) -> list[Path]:
        """Every file once, in a fixed order. The folders are walked only once."""
        return self._files

    @cached_property
    def _files(self) -> list[Path]:
        return list(self._walked())

    def _walked(self) -> Iterator[Path]:
        seen: set[Path] = set()
        for root in self.roots:
            self._check(root)
            for path in [root] if root.is_file() else walk(str(root), self._is_left_out):
                if path not in seen:
                    seen.add(path)
                    yield path

    @cached_property
    def versions(self) -> str:
        """A checksum over the path, size and time of every file; taken once, at the first call."""
        digest = hashlib.sha256()
        for path in self.files():
            digest.update(f"{path}\t{state_text(path)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def named(self, *names: str) -> list[Path]:
        """Every file with one of these names; several datasets publish a `test.zip` or `train.jsonl`."""
        return [path for name in dict.fromkeys(names) for path in self._by_name.get(name, [])]

    def names(self) -> Iterable[str]:
        """All file names."""
        return self._by_name

    def holds(self, path: Path) -> bool:
        """Whether `path` is one of these files."""
        return any(path == root or root in path.parents for root in self.roots)

    def root_of(self, path: Path) -> Path:
        """The first root that contains `path`."""
        return next(root for root in self.roots if path == root or root in path.parents)

    def shown(self, path: Path) -> str:
        """A path relative to the parent of its root, so that it names no path of this machine."""
        return path.relative_to(self.root_of(path).parent).as_posix()

    def __str__(self) -> str:
        return ", ".join(map(str, self.roots))

    def _is_home(self, folder: str, names: set[str]) -> bool:
        return is_home(names) or (self._home is not None and folder == str(self._home.root))

    def _is_left_out(self, folder: str, names: set[str]) -> bool:
        """Whether a folder under a root is a home, or a link into a folder that ib-data wrote in one."""
        is_link = Path(folder).is_symlink()
        return self._is_home(folder, names) or (is_link and self._home_of(Path(folder).resolve()) is not None)

    def _home_of(self, path: Path) -> Path | None:
        """The home that `path` is, or in whose ib-data folders it is; None for official files and a user's own."""
        for folder in (path, *path.parents):
            inside = path.relative_to(folder).parts[:1]
            if (not inside or inside[0] in HOME_FOLDERS) and self._is_home(str(folder), _names_in(folder)):
                return folder
        return None

    def _check(self, root: Path) -> None:
        if not root.exists():
            raise IbDataError(f"--source {root}: there is no such folder or file")
        home = self._home_of(root) or self._home_of(root.resolve())
        if home is not None:
            remedy = "name the folder of the official files, or build the miniature with --mini"
            raise IbDataError(f"--source {root}: {home} is a home of ib-data and cannot be a source; {remedy}")


def _names_in(folder: Path) -> set[str]:
    """The names in a folder; empty for a file or an unreadable folder."""
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()


def walk(
    folder: str, is_left_out: Callable[[str, set[str]], bool] = lambda *_: False, above: tuple[str, ...] = ()
) -> Iterator[Path]:
    """The files under `folder` in a fixed order. Follows links, except links to a folder above.

    `is_left_out` is called with every folder and the names in it. Unreadable folders count as empty.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    if is_left_out(folder, {entry.name for entry in entries}):
        return
    own = (*above, folder)
    for entry in entries:
        if not _is_folder(entry):
            yield Path(entry.path)
        elif not (entry.is_symlink() and any(Path(entry.path).samefile(earlier) for earlier in own)):
            yield from walk(entry.path, is_left_out, own)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """`entry.is_dir()`, but False for a link to itself, which raises OSError."""
    try:
        return entry.is_dir()
    except OSError:
        return False
