"""How long instructions and targets of a built split come out, kept beside its shards as `templates-DATASET.json`."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ib_data.cards import Card
from ib_data.errors import DataError, IbDataError
from ib_data.stored.manifest import Manifest
from ib_data.strict import Table
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.render_options import DEFAULT_OPTIONS, RenderOptions
from ib_data.templates.renderer import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Lengths that this share of the texts does not exceed, in percent."""

    p5: int
    p50: int
    p95: int
    p99: int
    max: int

    def text(self) -> str:
        """The five numbers, from the least."""
        return f"{self.p5} / {self.p50} / {self.p95} / {self.p99} / {self.max}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLengths:
    """The lengths of some texts in characters, and in tokens where a tokenizer was given.

    A token count holds one special token. `num_cut` texts have more tokens than a training run keeps.
    """

    characters: Quantiles
    tokens: Quantiles | None = None
    num_cut: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderLengths:
    """The lengths of both parts of some renders, at least one."""

    num_renders: int
    instruction: TextLengths
    target: TextLengths


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStats:
    """What one template made; `sha256` is that of its text, in hex."""

    template: str
    sha256: str
    lengths: RenderLengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What was counted over `num_rows` of the `num_annotations` of a built split.

    `index_sha256` is that of the index that was read: where the manifest says another, the split was built anew since.
    `render` are the options, `templates_folder` the user's folder of templates as an absolute path (None for those that
    come along), `templates_sha256` their `Renderer.digest` (None in files that older versions wrote).
    `total` is None where nothing could be rendered; `failures` counts the reasons. Limits are in tokens.
    """

    dataset: str
    split: str
    index_sha256: str
    seed: int
    num_annotations: int
    num_rows: int
    max_instruction_tokens: int
    max_target_tokens: int
    total: RenderLengths | None
    templates: tuple[TemplateStats, ...]
    failures: Mapping[str, int]
    tokenizer_sha256: str | None = None
    render: RenderOptions = DEFAULT_OPTIONS
    templates_folder: str | None = None
    templates_sha256: str | None = None

    @property
    def num_failures(self) -> int:
        """How many rows could not be rendered."""
        return sum(self.failures.values())

    def to_plain(self) -> dict[str, Any]:
        """The JSON values: what is not known has no key."""
        known: dict[str, Any] = _known(asdict(self))
        return known


def outdated(stats: Stats, card: Card, manifest: Manifest) -> str | None:
    """Why the stats are out of date ("an earlier build", "earlier templates"); None where they are current.

    They are also out of date where their folder of templates is gone or cannot be used any more.
    """
    if stats.index_sha256 != manifest.index_sha256:
        return "an earlier build"
    try:
        library = Library(Path(stats.templates_folder)) if stats.templates_folder else PACKAGED
        is_same = stats.templates_sha256 == Renderer(library).digest(card)
    except IbDataError:
        is_same = False
    return None if is_same else "earlier templates"


def length_header(has_tokens: bool) -> tuple[str, ...]:
    """The head of a table of `length_rows`."""
    if not has_tokens:
        return ("template", "renders", "instruction characters", "target characters")
    parts = ("instruction", "target")
    return ("template", "renders", *(f"{part} {what}" for part in parts for what in ("characters", "tokens", "cut")))


def length_rows(stats: Stats, has_tokens: bool) -> list[tuple[object, ...]]:
    """A row for each template and one for all of them: quantiles as `5 / 50 / 95 / 99 percent / longest`."""
    named = [(row.template, row.lengths) for row in stats.templates]
    total = [("(all)", stats.total)] if stats.total else []
    return [
        (name, lengths.num_renders, *_cells(lengths.instruction, has_tokens), *_cells(lengths.target, has_tokens))
        for name, lengths in named + total
    ]


def _cells(lengths: TextLengths, has_tokens: bool) -> tuple[object, ...]:
    characters = lengths.characters.text()
    if not has_tokens:
        return (characters,)
    return (characters, lengths.tokens.text() if lengths.tokens else None, lengths.num_cut)


def stats_file(folder: Path, dataset: str) -> Path:
    """Where the counts of a dataset (which may be a view) stand in the folder of a built split."""
    return folder / f"templates-{dataset}.json"


def write_stats(folder: Path, stats: Stats) -> Path:
    """Write the counts beside the shards, by one rename; the manifest does not know of them."""
    path = stats_file(folder, stats.dataset)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(json.dumps(stats.to_plain(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_stats(folder: Path, dataset: str) -> Stats | None:
    """The counts of a dataset in the folder of a built split, None where there are none.

    Raises DataError for a file that is damaged, of another form or of another split.
    """
    path = stats_file(folder, dataset)
    remedy = f"run `ib-data templates stats {dataset}` again"
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        look = f"look at what stands there and at the disk, or {remedy}"
        raise DataError(dataset, f"cannot be read: {error.strerror}", file=str(path), remedy=look) from error
    except (ValueError, RecursionError) as error:
        raise DataError(dataset, f"cannot be read: {error}", file=str(path), remedy=remedy) from error
    table = Table.of(value, dataset, str(path), remedy=remedy).only(Stats.__dataclass_fields__)
    if (table.get("dataset", str), table.get("split", str)) != (dataset, folder.name):
        raise table.error(f"holds no counts of {dataset}/{folder.name}")
    failures = table.table("failures")
    return Stats(
        dataset=dataset,
        split=folder.name,
        index_sha256=table.get("index_sha256", str),
        seed=table.get("seed", int),
        num_annotations=_count(table, "num_annotations"),
        num_rows=_count(table, "num_rows"),
        max_instruction_tokens=_count(table, "max_instruction_tokens"),
        max_target_tokens=_count(table, "max_target_tokens"),
        total=_render_lengths(table.table("total")) if "total" in table.values else None,
        templates=tuple(_template(row) for row in table.tables("templates")),
        failures={reason: _count(failures, reason) for reason in failures.values},
        tokenizer_sha256=_text(table, "tokenizer_sha256"),
        render=RenderOptions.of(table.table("render")),
        templates_folder=_text(table, "templates_folder"),
        templates_sha256=_text(table, "templates_sha256"),
    )


def _template(table: Table) -> TemplateStats:
    table.only(TemplateStats.__dataclass_fields__)
    lengths = _render_lengths(table.table("lengths"))
    return TemplateStats(template=table.get("template", str), sha256=table.get("sha256", str), lengths=lengths)


def _render_lengths(table: Table) -> RenderLengths:
    table.only(RenderLengths.__dataclass_fields__)
    instruction, target = (_text_lengths(table.table(part)) for part in ("instruction", "target"))
    return RenderLengths(num_renders=_count(table, "num_renders"), instruction=instruction, target=target)


def _text_lengths(table: Table) -> TextLengths:
    table.only(TextLengths.__dataclass_fields__)
    return TextLengths(
        characters=_quantiles(table.table("characters")),
        tokens=_quantiles(table.table("tokens")) if "tokens" in table.values else None,
        num_cut=_count(table, "num_cut") if "num_cut" in table.values else None,
    )


def _quantiles(table: Table) -> Quantiles:
    table.only(Quantiles.__dataclass_fields__)
    return Quantiles(**{name: _count(table, name) for name in Quantiles.__dataclass_fields__})


def _text(table: Table, key: str) -> str | None:
    return table.get(key, str) if key in table.values else None


def _count(table: Table, key: str) -> int:
    number = table.get(key, int)
    if number < 0:
        raise table.error(f"{key!r}: expected an integer from 0, found {number}")
    return number


def _known(value: Any) -> Any:
    """`value` without the keys whose value is None."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items() if item is not None}
    return [_known(item) for item in value] if isinstance(value, list | tuple) else value
