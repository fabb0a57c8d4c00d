"""Deleting files of ib-data: only inside a marked home, never through a link, never during a build."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ib_data.errors import IbDataError
from ib_data.home import MANIFEST, MARKER, SPLITS, Home

# kind -> help text. Runs are never deleted: they cannot be recreated.
KINDS = {
    "cache": "mapped indices, shards fetched from an object store",
    "staging": "unfinished builds; the next build starts over",
    "miniature": "the generated miniature; --mini generates it again",
    "quarantine": "log of samples that could not be used",
    "draws": "draws saved by `ib-data mixture draw --keep`",
    "downloads": "official files; a build downloads them again",
}
# Deleted if no kind is given: all can be recreated without a download.
DEFAULT_KINDS = ("cache", "staging", "miniature", "quarantine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removable:
    """A file or folder that may be deleted. `what` is DATASET/SPLIT or one of KINDS."""

    what: str
    path: Path
    num_bytes: int


def removable_splits(home: Home, datasets: Iterable[str], split: str | None = None) -> list[Removable]:
    """The folders of built splits, damaged ones included; IbDataError for a folder that is not a home."""
    _require_home(home)
    found = [(d, s, home.split(d, s)) for d in datasets for s in ([split] if split else SPLITS)]
    return [_removable(home, f"{dataset}/{name}", path) for dataset, name, path in found if os.path.lexists(path)]


def leftovers(home: Home, kinds: Iterable[str]) -> list[Removable]:
    """The existing files and folders of these KINDS; IbDataError for a folder that is not a home."""
    _require_home(home)
    found = [(kind, _place(home, kind)) for kind in kinds]
    return [_removable(home, kind, path) for kind, path in found if os.path.lexists(path)]


def remove(item: Removable) -> None:
    """Delete a file or folder. The manifest goes first, so that a half-deleted split does not count as built."""
    if not item.path.is_dir():
        item.path.unlink(missing_ok=True)
        return
    (item.path / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(item.path)


@contextmanager
def no_build(home: Home, names: Iterable[str] | None = None) -> Iterator[None]:
    """Hold the locks of these builds (DATASET-SPLIT; None: all of them); IbDataError if one is running."""
    from filelock import FileLock, Timeout

    paths = [home.lock(name) for name in names] if names is not None else sorted(home.lock("x").parent.glob("*.lock"))
    with ExitStack() as stack:
        for path in paths:
            path.parent.mkdir(exist_ok=True)
            try:
                stack.enter_context(FileLock(path, timeout=0))
            except Timeout as error:
                remedy = "nothing was deleted; try again when it is done"
                raise IbDataError(f"{path.stem} is being built; {remedy}") from error
        yield


def _require_home(home: Home) -> None:
    if not (home.root / MARKER).is_file():
        found = "no such folder" if not home.root.exists() else f"no {MARKER} in it"
        raise IbDataError(f"{home.root} is not a home of ib-data ({found}); nothing was deleted")


def _removable(home: Home, what: str, path: Path) -> Removable:
    for part in (path, *path.parents):
        if part == home.root:
            break
        if part.is_symlink():
            raise IbDataError(f"{part} is a link, and links are never followed here; delete it by hand")
    return Removable(what=what, path=path, num_bytes=_num_bytes(path))


def _num_bytes(path: Path) -> int:
    """The size of a file, or of all files in a folder; links are not followed."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum((Path(top) / name).lstat().st_size for top, _, names in os.walk(path) for name in names)


def _place(home: Home, kind: str) -> Path:
    places = {
        "cache": home.cache,
        "staging": home.root / "staging",
        "miniature": home.miniature,
        "quarantine": home.quarantine,
        "draws": home.draws,
        "downloads": home.downloads,
    }
    return places[kind]
