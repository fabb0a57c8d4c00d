"""The rows of the catalog's small tables: those that are not views over Parquet files."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from ib_data import __version__
from ib_data.cards import Card, card_names, load_card
from ib_data.cards.kinds import kind_of
from ib_data.errors import DataError
from ib_data.home import MANIFEST, Home
from ib_data.mixtures.catalog.holdings import Holdings
from ib_data.mixtures.catalog.relations import COUNTED, EVERY_RELATION, FLAG, NUMBER, RELATIONS, TEXT, WHOLE
from ib_data.mixtures.spec.mixture import Mixture
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.mixtures.spec.weights import weights
from ib_data.stored.conversations import num_conversations
from ib_data.stored.manifest import INDEX, Manifest
from ib_data.strict import Table
from ib_data.tasks import TASKS
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.stats.stats_file import RenderLengths, outdated, read_stats

_ARROW = {TEXT: pa.string(), WHOLE: pa.int64(), NUMBER: pa.float64(), FLAG: pa.bool_()}
Row = tuple[Any, ...]


def arrow_table(name: str, rows: Iterable[Row]) -> pa.Table:
    """The table `name` with these rows. Raises DataError for a value that its column cannot hold."""
    columns = EVERY_RELATION[name].columns
    schema = pa.schema([(column, _ARROW[kind]) for column, kind in columns.items()])
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    try:
        return pa.Table.from_pylist(records, schema=schema)
    except (pa.ArrowException, OverflowError, UnicodeError) as error:
        raise DataError(name, f"a value does not fit: {error}") from error


def built_of(name: str, card: Card | None, built: Sequence[Manifest]) -> list[Manifest]:
    """The manifests of a dataset; for a view, those of the base's splits that the view also has."""
    if card is None or card.view_of is None:
        return [m for m in built if m.dataset == name]
    return [m for m in built if m.dataset == card.view_of and m.split in card.splits]


def stats_files(split: Path) -> list[Path]:
    """The stats files that `ib-data templates stats` wrote next to the shards of a built split."""
    return sorted(split.glob("templates-*.json"))


def member_rows(mixtures: Iterable[Mixture]) -> Iterator[Row]:
    """The rows of `mixture_members`, with the weights that the sampler uses."""
    tasks = {name: load_card(name).task for name in card_names()}
    for mixture in mixtures:
        share = weights(mixture)
        for m in mixture.members:
            head = (mixture.name, m.dataset, m.size, m.scale, share[m.name], m.name, m.split)
            ruled = (m.task or tasks.get(m.dataset), mixture.rule, mixture.exponent, m.cap, m.weight)
            yield (*head, *ruled, m.counts)


def stage_rows(mixtures: Iterable[Mixture]) -> Iterator[Row]:
    """The rows of `mixture_stages`; a mixture without stages has one, from position 0."""
    for mixture in mixtures:
        for (start, stage), end in zip(mixture.in_stages(), (*mixture.starts[1:], None), strict=True):
            for m in stage.members:
                yield (mixture.name, start, end, m.name, stage.rule, stage.exponent, m.scale)


def _datasets(_home: Home, held: Holdings) -> Iterator[Row]:
    damaged = {(lost.dataset, lost.split) for lost in held.lost if lost.file == MANIFEST}
    for name in card_names():
        card = load_card(name)
        found = {m.split: m for m in built_of(name, card, held.manifests)}
        for split in card.splits.values():
            manifest = found.get(split.name)
            counts = _counts(card, manifest)
            what: Row = (manifest.num_drops, ", ".join(kind_of(manifest, card))) if manifest else (None, None)
            if (card.stored_as, split.name) in damaged:
                what = (None, "damaged")
            # The size of the used split is known even if the number of annotations (turns of conversations) is not.
            used = split.name == card.used_split
            size = card.size if used else split.num_annotations
            yield (name, card.title, card.task, card.role, split.name, size, *counts, __version__, used, *what)


def _counts(card: Card, manifest: Manifest | None) -> tuple[int | None, ...]:
    """num_samples, num_annotations, num_shards, num_bytes; a view has 0 shards of 0 bytes, so that sums are right."""
    if manifest is None:
        return (None, None, None, None)
    stored = manifest.shards if card.view_of is None else ()
    return manifest.num_samples, manifest.num_annotations, len(stored), sum(s.num_bytes for s in stored)


def _conversations(home: Home, held: Holdings) -> Iterator[Row]:
    """A row for each built split of a dataset and each view of it; a row says why it could not be counted."""
    counts: dict[tuple[str, str], tuple[int | None, str | None]]
    counts = {(m.dataset, m.split): _num_conversations(home, m) for m in held.whole(INDEX)}
    counts |= {(lost.dataset, lost.split): (None, lost.problem) for lost in held.lost_of(INDEX)}
    for name in card_names():
        card = load_card(name)
        for split in card.splits:
            if (card.stored_as, split) in counts:
                yield (name, split, *counts[card.stored_as, split])


def _num_conversations(home: Home, manifest: Manifest) -> tuple[int | None, str | None]:
    """The number, or None and why there is none."""
    try:
        return num_conversations(home.split(manifest.dataset, manifest.split), manifest), None
    except DataError as error:
        return None, str(error)


def _shards(_home: Home, held: Holdings) -> Iterator[Row]:
    for m in held.manifests:
        yield from ((m.dataset, m.split, s.name, s.num_samples, s.num_bytes, s.sha256) for s in m.shards)


def _damaged(_home: Home, held: Holdings) -> Iterator[Row]:
    return ((lost.dataset, lost.split, lost.file, lost.problem) for lost in held.lost)


def _templates(_home: Home, _held: Holdings) -> Iterator[Row]:
    for task in TASKS:
        yield from ((t.task, t.name, t.kind, t.text, t.sha256) for t in PACKAGED.load(task))
    own = {(card.task, card.templates) for card in map(load_card, card_names()) if card.templates}
    for task, folder in sorted(own):
        packaged = PACKAGED.load(task)
        found = (t for t in Library(folder).load(task) if t not in packaged)
        yield from ((t.task, t.name, t.kind, t.text, t.sha256) for t in found)


def _mixture_members(_home: Home, _held: Holdings) -> Iterator[Row]:
    return member_rows(map(load_mixture, mixture_names()))


def _mixture_stages(_home: Home, _held: Holdings) -> Iterator[Row]:
    return stage_rows(map(load_mixture, mixture_names()))


def _template_stats(home: Home, held: Holdings) -> Iterator[Row]:
    for manifest in held.manifests:
        for path in stats_files(home.split(manifest.dataset, manifest.split)):
            stats = read_stats(path.parent, path.stem.removeprefix("templates-"))
            assert stats is not None
            is_current = outdated(stats, load_card(stats.dataset), manifest) is None
            for row in stats.templates:
                head = (stats.dataset, stats.split, row.template, row.lengths.num_renders)
                yield (*head, *_lengths(row.lengths), row.sha256, is_current)


def _lengths(lengths: RenderLengths) -> Row:
    """The lengths of instructions and of targets, and how many texts are cut (None if tokens were not counted)."""
    parts = (lengths.instruction, lengths.target)
    quantiles = ((part.characters.p50, part.characters.p95, part.characters.max) for part in parts)
    cut = [part.num_cut for part in parts if part.num_cut is not None]
    return (*chain(*quantiles), *((sum(cut), *cut) if cut else (None, None, None)))


def _quarantine(home: Home, _held: Holdings) -> Iterator[Row]:
    try:
        lines = home.quarantine.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    # The last piece is empty, or the partial line of a killed process.
    for number, line in enumerate(lines[:-1], 1):
        if line.strip():
            yield _bad_sample(home.quarantine, number, line)


def _bad_sample(file: Path, number: int, line: bytes) -> Row:
    place = f"line {number}"
    columns = RELATIONS["quarantine"].columns
    try:
        table = Table.of(json.loads(line), "quarantine", str(file), place).only(columns)
        return tuple(table.get(name, str if kind == TEXT else int) for name, kind in columns.items())
    except (ValueError, RecursionError) as error:
        problem, remedy = f"is not JSON: {error}", "delete the line, or the file: it is only a log"
        raise DataError("quarantine", problem, file=str(file), row=place, remedy=remedy) from error


TABLES: Mapping[str, Callable[[Home, Holdings], Iterator[Row]]] = {
    "datasets": _datasets,
    COUNTED: _conversations,
    "shards": _shards,
    "damaged": _damaged,
    "templates": _templates,
    "template_stats": _template_stats,
    "mixture_members": _mixture_members,
    "mixture_stages": _mixture_stages,
    "quarantine": _quarantine,
}
