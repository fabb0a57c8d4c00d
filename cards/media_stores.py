"""The media stores: archives of images and clips that datasets share, read strictly from `cards/media.toml`."""

from functools import cache
from importlib.resources.abc import Traversable

from ib_data.cards.card import Card, read_gate
from ib_data.cards.facts import Gate, MediaStore, SourceFile
from ib_data.cards.roots import media_files, shown
from ib_data.errors import DataError, IbDataError, did_you_mean
from ib_data.sample import MEDIA_KINDS
from ib_data.strict import Table, parse_toml

_KEYS = (
    "kind", "name", "url", "bytes", "sha256", "md5", "family", "layout", "images", "each", "gate", "parts",
    "part_of", "extensions",
)  # fmt: skip


def media_stores() -> dict[str, MediaStore]:
    """Every store by its name, packaged ones first; IbDataError if two have the same name."""
    return _read(media_files())


@cache
def _read(files: tuple[Traversable, ...]) -> dict[str, MediaStore]:
    found: dict[str, MediaStore] = {}
    places: dict[str, str] = {}
    for file in files:
        name = shown(file, "cards")
        try:
            values = parse_toml(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError("media", str(error), file=name) from error
        for store in Table.of(values, "media", name).named(_store).values():
            if store.name in found:
                both = f"{places[store.name]} and {name}"
                raise IbDataError(f"{both} have a media store of the same name; rename yours: {store.name!r} is taken")
            found[store.name], places[store.name] = store, name
    return found


def family(store: str) -> list[MediaStore]:
    """The stores that may hold an image of `store` under the same id: itself first, no other part of its whole."""
    stores = media_stores()
    own = stores[store]
    others = [s for s in stores.values() if s.family == own.family and s is not own]
    return [own, *(s for s in others if own.part_of is None or s.part_of != own.part_of)]


def other_parts(store: str) -> list[MediaStore]:
    """The other parts of the whole that `store` is a part of; they hold none of its images."""
    own = media_stores()[store]
    return [s for s in media_stores().values() if own.part_of and s.part_of == own.part_of and s is not own]


def gate_of(card: Card) -> Gate | None:
    """The gate before a dataset's annotations, or before one of its media stores; None if there is none."""
    gates = (card.gate, *(media_stores()[name].gate for name in card.media))
    return next((gate for gate in gates if gate), None)


def _store(table: Table) -> MediaStore:
    table.only(_KEYS)
    kind = table.get("kind", str, "image")
    if kind not in MEDIA_KINDS:
        raise table.error(f"unknown kind {kind!r}", did_you_mean(kind, MEDIA_KINDS))
    file = SourceFile(
        name=table.get("name", str, ""),
        url=table.get("url", str, ""),
        role=f"{kind}s",
        num_bytes=table.get("bytes", int, None),
        sha256=table.get("sha256", str, None),
        md5=table.get("md5", str, None),
    )
    return MediaStore(
        name=table.path,
        kind=kind,
        family=table.get("family", str, table.path),
        layout=table.get("layout", str),
        file=file if file.name else None,
        each=table.get("each", str, None),
        gate=read_gate(table),
        num_images=table.get("images", int, None),
        parts=table.texts("parts"),
        part_of=table.get("part_of", str, None),
        extensions=table.texts("extensions"),
    )
