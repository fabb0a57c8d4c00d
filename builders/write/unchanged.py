"""Detecting within a second that nothing has changed since a split was built, without reading rows or images.

After a build, the home's cache has a checksum over the size and time of every input file, the options and the code.
Datasets with crawled images have none, since their hosts must be asked again.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import PIL
import pyarrow
import simplejpeg

import ib_data
from ib_data import __version__, cards
from ib_data.builders.source.official_files import files_of
from ib_data.builders.write.build_context import Build
from ib_data.cards import Card, family
from ib_data.file_state import state_text
from ib_data.home import MANIFEST, Home
from ib_data.replacing import replacing
from ib_data.stored.manifest import Manifest

_PACKAGE = Path(ib_data.__file__).parent
_CODE = _PACKAGE, _PACKAGE / "media", Path(__file__).parent, Path(cards.__file__).parent


def fingerprint(card: Card, split: str, form: str | None, build: Build) -> str | None:
    """A checksum over everything that decides a build; None if it depends on crawled hosts or the hub."""
    stores = [store for name in card.media for store in family(name)]
    if build.from_hub or (build.options.media and any(store.each for store in stores)):
        return None
    fetched = [*files_of(card, split, form), *(store.file for store in stores if store.file)]
    paths = [*(build.fetcher.place(file) for file in fetched), *_code()]
    options = replace(build.options, workers=1, replace=False)
    versions = __version__, PIL.__version__, pyarrow.__version__, simplejpeg.__version__
    digest = hashlib.sha256(f"{card.name} {split} {form} {options} {versions}".encode())
    digest.update(build.folders.versions.encode())
    for path in paths:
        digest.update(f"{path}\t{state_text(path)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def is_unchanged(home: Home, manifest: Manifest, found: str | None) -> bool:
    """Whether a split was built with the fingerprint `found`, and its manifest is unchanged since."""
    try:
        known = json.loads(_record(home, manifest).read_bytes())
    except (OSError, ValueError):
        return False
    return found is not None and known == [found, state_text(home.split(manifest.dataset, manifest.split) / MANIFEST)]


def remember(home: Home, manifest: Manifest, found: str | None) -> None:
    """Save the fingerprint that a split was built with."""
    if found is None:
        return
    path = _record(home, manifest)
    path.parent.mkdir(parents=True, exist_ok=True)
    built = state_text(home.split(manifest.dataset, manifest.split) / MANIFEST)
    with replacing(path) as part:
        part.write_text(json.dumps([found, built]), encoding="utf-8")


def _record(home: Home, manifest: Manifest) -> Path:
    return home.cache / "builds" / f"{manifest.dataset}-{manifest.split}.json"


def _code() -> Iterator[Path]:
    for folder in _CODE:
        yield from sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".md", ".toml"))
