"""Whether a folder under `--source` is the official place of a store's images or clips.

`2006588.jpg` may be a GQA image or an OCR-VQA cover, and both are in a folder `images`. So a loose file counts only in
its official folder, or if `--source` names that folder itself. If the official folder has a common name, the folders
above it must be named after this dataset, or at least after no other.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from ib_data.builders.source.folders import SourceFolders
from ib_data.cards import MediaStore, card_names, media_stores

# Common names of folders and archives, which identify no dataset.
_ANYBODYS = {"images", "image", "img", "imgs", "data", "all", "train", "val", "test", "validation", "videos"}
_MIN_LETTERS = 3  # letters of a folder's name needed to match the beginning of a dataset's name


def speaks_for(folder: Path, dataset: str, roots: Collection[Path]) -> bool | None:
    """Whether the nearest folder named after a dataset, from `folder` up to a root, is named after `dataset`.

    None if there is none. If a root has a common name, the folder above it is considered too.
    """
    for path in (folder, *folder.parents):
        name = _letters(path.name)
        if _is_name_of(name, dataset):
            return True
        if name in _dataset_names():
            return False
        if path in roots and path.name.lower() not in _ANYBODYS:
            break
        if not any(root in path.parents or root == path for root in roots):
            break
    return None


class OfficialPlaces:
    """The official places of the media of `dataset` under `folders`.

    `located` are its annotation files by their official names: media in the same archive or tree are read only there.
    """

    def __init__(self, folders: SourceFolders, dataset: str, located: Mapping[str, Path] | None = None) -> None:
        self.folders = folders
        self.dataset = dataset
        here = {name: path for name, path in (located or {}).items() if folders.holds(path)}
        self._beside = {path.parent for path in here.values()}
        self._together = {name: path for name, path in here.items() if path.is_dir() or path.name == Path(name).name}
        self._known: dict[tuple[Path, str], bool] = {}

    def is_folder_of(self, folder: Path, store: MediaStore) -> bool:
        """Whether loose files in `folder` with the store's names belong to the store."""
        key = (folder, store.name)
        if key not in self._known:
            self._known[key] = self._is_folder_of(folder, store)
        return self._known[key]

    def archives_of(self, store: MediaStore) -> list[Path]:
        """The archives with the store's name, without those of other datasets (`train.zip`)."""
        if store.file is None:
            return []
        name = Path(store.file.name).name
        if (own := self._together.get(store.file.name)) is not None:
            return [] if own.is_dir() else [own]
        found = self.folders.named(name)
        if store.is_numbered or _stem(name) not in _ANYBODYS:
            return found
        return [path for path in found if path in self.folders.roots or self._is_ours(path.parent)]

    def is_surely_ours(self, archive: Path) -> bool:
        """Whether an archive cannot be another dataset's."""
        return _stem(archive.name) not in _ANYBODYS or bool(speaks_for(archive.parent, self.dataset, self._roots))

    @property
    def _roots(self) -> tuple[Path, ...]:
        return self.folders.roots

    def _is_folder_of(self, folder: Path, store: MediaStore) -> bool:
        own = store.folder[-1] if store.folder else ""
        tree = self._together.get(store.file.name) if store.file else None
        if tree is not None and tree.is_dir():
            return folder == (tree / own if (tree / own).is_dir() else tree)
        if own and folder.name == own:
            return own not in _ANYBODYS or store.is_numbered or self._is_ours(folder.parent)
        if folder not in self._roots:
            is_named = folder.name.lower() in _ANYBODYS and _is_name_of(_letters(folder.parent.name), self.dataset)
            return is_named or (not own and self._is_ours(folder))
        # A folder given with --source counts whatever its name is, except the name of another store's folder.
        is_others = folder.name in _folder_names() - {own}
        return not is_others and speaks_for(folder, self.dataset, self._roots) is not False

    def _is_ours(self, folder: Path) -> bool:
        """Whether a folder belongs to the dataset: by name, as a root, or because the annotations are in it.

        Only folders with common names may be between it and the official folder.
        """
        while folder not in self._roots and folder not in self._beside and folder.name.lower() in _ANYBODYS:
            folder = folder.parent
        if _is_name_of(_letters(folder.name), self.dataset):
            return True
        is_here = folder in self._roots or folder in self._beside
        return is_here and speaks_for(folder, self.dataset, self._roots) is not False


def _is_name_of(name: str, dataset: str) -> bool:
    own = _letters(dataset)
    return name.startswith(own) or (len(name) >= _MIN_LETTERS and own.startswith(name))


@cache
def _dataset_names() -> frozenset[str]:
    return frozenset(map(_letters, card_names()))


@cache
def _folder_names() -> frozenset[str]:
    """The names of official folders that identify a store."""
    return frozenset(store.folder[-1] for store in media_stores().values() if store.folder) - _ANYBODYS


def _stem(name: str) -> str:
    return name.partition(".")[0].lower()


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
