"""The card of a dataset: all facts about a source in one place, read strictly from `cards/NAME.md`."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ib_data.cards.facts import METRICS, Gate, HubMirror, SourceFile, Split
from ib_data.cards.marks import read_marks
from ib_data.cards.own_cards import require_keys, with_defaults
from ib_data.cards.roots import card_files, folder_of, outside_folders
from ib_data.errors import DataError, UnknownNameError, did_you_mean
from ib_data.home import SPLITS
from ib_data.sample import Annotation
from ib_data.strict import Table
from ib_data.tasks import ROLES, TASKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """All facts about one dataset. `size` is the number of rows of the split the paper used (pinned, never counted).

    `metric` is one of METRICS, for code; `protocol` describes the scoring in words, and `evaluation` is its table, read
    by `evaluation/protocols`. `not_read`: names of files that are often found instead of the official ones, and why
    they are not read. For a card from outside the package, `folder` is its folder and `templates` its folder of
    templates.
    """

    name: str
    title: str
    role: str
    task: str
    paper: str
    homepage: str
    licence_annotations: str
    licence_images: str
    metric: str
    protocol: str
    evaluation: Mapping[str, Any]
    used_split: str
    size: int | None
    media: tuple[str, ...]
    forms: tuple[str, ...]
    files: tuple[SourceFile, ...]
    splits: dict[str, Split]
    view_of: str | None
    gate: Gate | None
    hub: HubMirror | None
    not_read: dict[str, str]
    caveats: tuple[str, ...]
    unknown: tuple[str, ...]
    prose: str
    folder: Path | None = None
    templates: Path | None = None

    @property
    def stored_as(self) -> str:
        """The dataset whose shards hold this one: itself, or the base of a view."""
        return self.view_of or self.name


_CARD_KEYS = (
    "name", "title", "role", "task", "paper", "homepage", "licence", "metric", "protocol", "evaluation", "used_split",
    "size", "media", "forms", "files", "splits", "fields", "view_of", "gate", "hub", "not_read", "caveats", "unknown",
)  # fmt: skip
_FILE_KEYS = ("name", "url", "role", "split", "form", "member", "bytes", "sha256", "md5", "optional", "marks")


def card_names() -> tuple[str, ...]:
    """The names of all datasets, sorted."""
    return tuple(card_files())


def find_card(name: str) -> "Card":
    """The card of `name`; UnknownNameError with the nearest known name if there is none."""
    if name not in card_files():
        raise UnknownNameError(f"unknown dataset {name!r}; {did_you_mean(name, card_names())}")
    return load_card(name)


def load_card(name: str) -> Card:
    """The card of a known dataset; DataError for an unknown key, a missing one, or a value of the wrong type."""
    return _load(name, outside_folders())


@cache
def _load(name: str, folders: tuple[Path, ...]) -> Card:
    file, own = card_files()[name], folder_of(name)
    return parse_card(name, file.read_text(encoding="utf-8"), own)


def parse_card(name: str, text: str, folder: Path | None = None) -> Card:
    """Parse a card: YAML between two `---` lines, then prose. A view takes media and licences from its base.

    `folder` is the folder of your own card, which may leave out keys that have no meaning for private data.
    """
    file = f"cards/{name}.md" if folder is None else str(folder / f"{name}.md")
    front, prose = _front_matter(name, file, text)
    table = Table.of(front, name, file).only(_CARD_KEYS)
    require_keys(table, is_own=folder is not None)
    if folder is not None:
        table = Table.of(with_defaults(name, table.values), name, file)
    view_of = table.get("view_of", str, None)
    base = find_card(view_of) if view_of else None
    licence = table.table("licence").only(("annotations", "images"))
    fields = table.texts("fields")
    not_read = table.table("not_read")
    splits = table.table("splits").named(lambda split: _split(split, fields))
    card = Card(
        name=table.get("name", str),
        folder=folder,
        templates=folder / "templates" if folder and any(folder.glob("templates/*.toml")) else None,
        title=table.get("title", str),
        role=table.one_of("role", ROLES),
        task=table.one_of("task", TASKS),
        paper=table.get("paper", str),
        homepage=table.get("homepage", str),
        licence_annotations=base.licence_annotations if base else licence.get("annotations", str),
        licence_images=base.licence_images if base else licence.get("images", str),
        metric=table.one_of("metric", METRICS),
        protocol=table.get("protocol", str, ""),
        evaluation=table.table("evaluation").values,
        used_split=table.one_of("used_split", SPLITS),
        size=table.get("size", int, None),
        media=base.media if base else table.texts("media"),
        forms=table.texts("forms"),
        files=tuple(source_file(row) for row in table.tables("files")),
        splits=splits,
        view_of=view_of,
        gate=read_gate(table),
        hub=_hub(table),
        not_read={file_name: not_read.get(file_name, str) for file_name in not_read.values},
        caveats=table.texts("caveats"),
        unknown=table.texts("unknown"),
        prose=prose.strip(),
    )
    if card.name != name or card.used_split not in splits or not set(splits) <= set(SPLITS):
        raise table.error(f"name, used_split or splits do not fit the file {name}.md and the splits {SPLITS}")
    _check(card, table)
    return card


def _front_matter(name: str, file: str, text: str) -> tuple[Any, str]:
    """The YAML between the first two `---` lines, and the prose after it."""
    begin, *rest = text.replace("\r\n", "\n").split("---\n", 2)
    if begin or len(rest) < 2:
        raise DataError(name, "expected YAML between two lines of ---, found none", file=file)
    try:
        # The C loader reads a card in 0.3 ms, the Python one in 2.4 ms (AMD EPYC); `ib-data list` reads all of them.
        return yaml.load(rest[0], Loader=_Loader), rest[1]
    except yaml.YAMLError as error:
        raise DataError(name, f"the front matter is not YAML: {error}", file=file) from error


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that rejects duplicate keys; YAML itself would keep the last one."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _check(card: Card, table: Table) -> None:
    """Raise DataError for unknown names, and for sizes and checksums that cannot be right."""
    from ib_data.cards.media_stores import media_stores  # which imports this module

    known: dict[str, tuple[Iterable[str], Collection[str]]] = {
        "media": (card.media, media_stores()),
        "fields": ([f for split in card.splits.values() for f in split.fields], Annotation.__dataclass_fields__),
        "files: split": ([file.split for file in card.files if file.split], card.splits),
        "files: form": ([file.form for file in card.files if file.form], card.forms),
    }
    for key, (names, allowed) in known.items():
        for value in names:
            if value not in allowed:
                raise table.error(f"{key}: unknown name {value!r}", did_you_mean(value, allowed))
    sizes = [card.size, *(file.num_bytes for file in card.files), *(s.num_annotations for s in card.splits.values())]
    if any(size is not None and size < 1 for size in sizes):
        raise table.error("sizes: expected integers from 1; leave out the key of an unknown size")
    for file in card.files:
        if file.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
            raise table.error(f"files: {file.name}: sha256 expected 64 hex digits, found {file.sha256!r}")


def source_file(table: Table) -> SourceFile:
    """One entry of `files`."""
    table.only(_FILE_KEYS)
    return SourceFile(
        name=table.get("name", str),
        url=table.get("url", str),
        role=table.get("role", str),
        split=table.get("split", str, None),
        form=table.get("form", str, None),
        member=table.get("member", str, None),
        num_bytes=table.get("bytes", int, None),
        sha256=table.get("sha256", str, None),
        md5=table.get("md5", str, None),
        optional=table.get("optional", bool, False),
        marks=read_marks(table),
    )


def _split(table: Table, fields: tuple[str, ...]) -> Split:
    table.only(("source_name", "annotations", "images", "default", "fields"))
    return Split(
        name=table.path.rsplit(".", 1)[-1],
        source_name=table.get("source_name", str),
        num_annotations=table.get("annotations", int, None),
        num_images=table.get("images", int, None),
        default=table.get("default", bool, False),
        fields=table.texts("fields") if "fields" in table.values else fields,
    )


def read_gate(owner: Table) -> Gate | None:
    """The table `gate` of a card or a media store, or None."""
    if "gate" not in owner.values:
        return None
    table = owner.table("gate").only(("kind", "where", "lay_down"))
    return Gate(kind=table.get("kind", str), where=table.get("where", str), lay_down=table.get("lay_down", str))


def _hub(owner: Table) -> HubMirror | None:
    if "hub" not in owner.values:
        return None
    table = owner.table("hub").only(("id", "splits"))
    splits = table.table("splits").only(SPLITS)
    return HubMirror(id=table.get("id", str), splits={name: splits.get(name, str) for name in splits.values})
