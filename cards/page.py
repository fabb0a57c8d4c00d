"""A card as Markdown and as JSON values, with what is built of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ib_data.cards.card import Card
from ib_data.cards.facts import METRICS, MediaStore, SourceFile
from ib_data.cards.media_stores import gate_of, media_stores
from ib_data.cards.own_cards import NO_HOST
from ib_data.console import size_text
from ib_data.tasks import TASKS

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Counts over a built split: a description, a table, and the same as JSON values."""

    about: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltCounts:
    """The size of a built split. A view counts the shards of its base.

    `kind`: how it differs from the official data, in short phrases. `templates`: the result of `ib-data templates
    stats`, None if it was not run; `damaged_templates`: why that result cannot be used, in one line.
    """

    num_samples: int
    num_annotations: int
    num_drops: int
    num_shards: int
    num_bytes: int
    kind: Sequence[str] = ()
    templates: Counted | None = None
    damaged_templates: str | None = None


def card_values(card: Card, built: Mapping[str, BuiltCounts], damaged: Mapping[str, str] = _NONE) -> dict[str, Any]:
    """The facts of a card as JSON values, without unknown ones, plus `media_files` and `built`.

    `damaged`, a problem in one line by split, is added if it is not empty.
    """
    facts: dict[str, Any] = _known(asdict(card))
    facts |= {key: str(path) for key, path in facts.items() if isinstance(path, Path)}
    stores = media_stores()
    facts["media_files"] = {name: _known(asdict(stores[name])) for name in card.media}
    facts["built"] = {split: _built_values(counts) for split, counts in built.items()}
    return {**facts, "damaged": dict(damaged)} if damaged else facts


def card_markdown(card: Card, built: Mapping[str, BuiltCounts], damaged: Mapping[str, str] = _NONE) -> str:
    """The card as Markdown: facts, splits, files with checksums, unknown facts, caveats, prose, what is built.

    `damaged` is a problem in one line, by split.
    """
    stores = media_stores()
    parts = [
        f"# {card.title}",
        _table(("fact", "value"), _facts(card)),
        "## Splits",
        _table(("split", "in the source", "annotations", "images", "built by default", "fields"), _splits(card)),
        *(["## Evaluation", _table(("key", "value"), list(_evaluation(card.evaluation)))] if card.evaluation else []),
        "## Files",
        _files(card.files) if card.files else f"None of its own: it is a view over the shards of `{card.view_of}`.",
        *(
            ["## Not read", _bullets(tuple(f"`{n}`: {why}" for n, why in card.not_read.items()))]
            if card.not_read
            else []
        ),
        "## Images and clips",
        _media([stores[name] for name in card.media]),
        "## Not known",
        _bullets(card.unknown),
        "## Caveats",
        _bullets(card.caveats),
        "## About",
        card.prose,
        "## Built here",
        "\n\n".join(_built(card, built, damaged)),
    ]
    return "\n\n".join(parts) + "\n"


def _media(stores: Iterable[MediaStore]) -> str:
    """The archives, then the stores that are fetched one by one."""
    archives, singles = [], []
    whole = (media_stores()[name] for store in stores for name in store.parts or (store.name,))
    for store in whole:
        if store.file and not store.each:
            archives.append(store.file)
        else:
            places = {"{url}": "one by one from the URLs of the rows", None: "loose files in the folder of the store"}
            singles.append(places.get(store.each, f"one by one from <{store.each}>"))
    return "\n".join(filter(None, [_files(archives) if archives else "", _bullets(tuple(singles)) if singles else ""]))


def _known(value: Any) -> Any:
    """`value` without keys whose value is unknown or empty."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items() if item is not None and item != () and item != {}}
    return [_known(item) for item in value] if isinstance(value, list | tuple) else value


def _facts(card: Card) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [
        ("name", f"`{card.name}`"),
        ("task", TASKS[card.task]),
        ("role", card.role),
        ("split the paper used", card.used_split),
        ("size of that split", card.size),
        ("metric", f"`{card.metric}`: {METRICS[card.metric]}"),
        ("paper", card.paper),
        ("homepage", card.homepage),
        ("licence of the annotations", card.licence_annotations),
        ("licence of the images", card.licence_images),
    ]
    if card.protocol:
        rows.insert(6, ("protocol", card.protocol))
    if card.folder:
        rows.append(("found in", card.folder))
    if card.view_of:
        rows.append(("view of", f"`{card.view_of}`"))
    if card.forms:
        rows.append(("forms, best first", ", ".join(card.forms)))
    if gate := gate_of(card):
        rows.append(("by hand", f"{gate.kind}: {gate.where}; put {gate.lay_down} into a --source folder"))
    return rows


def _splits(card: Card) -> list[tuple[object, ...]]:
    return [
        (
            split.name,
            split.source_name,
            split.num_annotations,
            split.num_images,
            "yes" if split.default else "no",
            ", ".join(split.fields),
        )
        for split in card.splits.values()
    ]


def _evaluation(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[object, ...]]:
    """The values of the card's table `evaluation`, those of its inner tables by dotted keys."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _evaluation(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _files(files: Iterable[SourceFile]) -> str:
    return "\n".join(_file(file) for file in files)


def _file(file: SourceFile) -> str:
    use = ", ".join(word for word in (file.role, file.split, file.form) if word)
    member = f", member `{file.member}`" if file.member else ""
    size = size_text(file.num_bytes) if file.num_bytes is not None else "size not known"
    sums = [f"{kind} `{value}`" for kind, value in (("sha256", file.sha256), ("md5", file.md5)) if value]
    checksums = ", ".join(sums) or "no checksum known"
    where = "no URL: given with --source" if f"{NO_HOST}/" in file.url else f"<{file.url}>"
    return f"- `{file.name}` ({use}){member}\n  {where}\n  {size}, {checksums}"


def _built_values(counts: BuiltCounts) -> dict[str, Any]:
    values = {name: value for name, value in asdict(counts).items() if value is not None}
    return {**values, "templates": counts.templates.values} if counts.templates else values


def _built(card: Card, built: Mapping[str, BuiltCounts], damaged: Mapping[str, str]) -> Iterator[str]:
    if not built and not damaged:
        yield f"Nothing. `ib-data build {card.stored_as}` builds it."
    if built and card.view_of:
        yield f"Counted over the shards of `{card.view_of}`."
    if built:
        header = ("split", "samples", "annotations", "drops", "shards", "size", "kind")
        yield _table(header, [_counts(split, counts) for split, counts in built.items()])
    if damaged:
        yield _bullets([f"`{split}` is damaged: {problem}" for split, problem in damaged.items()])
    if lost := {split: b.damaged_templates for split, b in built.items() if b.damaged_templates}:
        yield _bullets([f"The template counts of `{split}` are damaged: {problem}" for split, problem in lost.items()])
    for split, b in built.items():
        if b.templates:
            yield f"### Rendered: {split}"
            yield b.templates.about
        if b.templates and b.templates.rows:
            yield _table(b.templates.header, b.templates.rows)


def _counts(split: str, counts: BuiltCounts) -> tuple[object, ...]:
    numbers = (counts.num_samples, counts.num_annotations, counts.num_drops, counts.num_shards)
    return split, *numbers, size_text(counts.num_bytes), ", ".join(counts.kind) or "official"


def _bullets(texts: Sequence[str]) -> str:
    return "\n".join(f"- {text}" for text in texts) or "Nothing listed."


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table with columns as wide as their widest cell, so that it reads well in a terminal too."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(map(str.ljust, row, widths))} |" for row in cells)


def _cell(value: object) -> str:
    if value is None:
        return "not known"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")
