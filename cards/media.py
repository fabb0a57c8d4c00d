"""The archives of images and clips that several datasets share, read strictly from `cards/media.toml`."""

import tomllib
from functools import cache
from importlib.resources import files as package_files

from ib_data.cards.card import MediaStore, SourceFile
from ib_data.strict import Table


@cache
def media_stores() -> dict[str, MediaStore]:
    """Every store by its name."""
    text = package_files("ib_data.cards").joinpath("media.toml").read_text(encoding="utf-8")
    return Table.of(tomllib.loads(text), "media", "cards/media.toml").named(_store)


def family(store: str) -> list[MediaStore]:
    """The stores that hold the same photos under the same ids as `store`, itself first."""
    stores = media_stores()
    own = stores[store]
    return [own, *(s for s in stores.values() if s.family == own.family and s is not own)]


def _store(table: Table) -> MediaStore:
    table.only(("name", "url", "bytes", "sha256", "md5", "family", "layout", "images"))
    file = SourceFile(
        name=table.get("name", str),
        url=table.get("url", str),
        role="images",
        num_bytes=table.get("bytes", int, None),
        sha256=table.get("sha256", str, None),
        md5=table.get("md5", str, None),
    )
    return MediaStore(
        name=table.path,
        family=table.get("family", str),
        file=file,
        layout=table.get("layout", str),
        num_images=table.get("images", int, None),
    )
