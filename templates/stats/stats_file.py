"""Lengths of the instructions and targets of a built split, stored next to its shards as `templates-DATASET.json`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ib_data.cards import Card
from ib_data.errors import DataError, IbDataError
from ib_data.replacing import replacing
from ib_data.stored.manifest import Manifest
from ib_data.strict import Count, Table
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.render_options import DEFAULT_OPTIONS, RenderOptions
from ib_data.templates.renderer import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Percentiles of lengths: 5, 50, 95 and 99 percent, and the longest."""

    p5: Count
    p50: Count
    p95: Count
    p99: Count
    max: Count

    def text(self) -> str:
        """The five numbers, ascending."""
        return f"{self.p5} / {self.p50} / {self.p95} / {self.p99} / {self.max}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLengths:
    """The lengths of some texts in characters, and in tokens if a tokenizer was given.

    A token count includes one special token. `num_cut` texts have more tokens than a training run keeps.
    """

    characters: Quantiles
    tokens: Quantiles | None = None
    num_cut: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderLengths:
    """The lengths of instruction and target over one or more renders."""

    num_renders: Count
    instruction: TextLengths
    target: TextLengths


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStats:
    """The lengths for one template; `sha256` is the hash of its text, in hex."""

    template: str
    sha256: str
    lengths: RenderLengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Lengths counted over `num_rows` of the `num_annotations` of a built split.

    `index_sha256` is the hash of the index that was read: if the manifest has another, the split was rebuilt since.
    `render` holds the options, `templates_folder` the user's folder of templates as an absolute path (None for the
    packaged ones), `templates_sha256` their `Renderer.digest` (None in files of older versions). `total` is None if
    nothing could be rendered; `failures` counts the reasons. Limits are in tokens.
    """

    dataset: str
    split: str
    index_sha256: str
    seed: int
    num_annotations: Count
    num_rows: Count
    max_instruction_tokens: Count
    max_target_tokens: Count
    total: RenderLengths | None = None
    templates: tuple[TemplateStats, ...]
    failures: Mapping[str, Count]
    tokenizer_sha256: str | None = None
    render: RenderOptions = DEFAULT_OPTIONS
    templates_folder: str | None = None
    templates_sha256: str | None = None

    def to_plain(self) -> dict[str, Any]:
        """The JSON values; unknown values have no key."""
        known: dict[str, Any] = _known(asdict(self))
        return known


def outdated(stats: Stats, card: Card, manifest: Manifest) -> str | None:
    """Why the stats are out of date ("an earlier build", "earlier templates"), or None if they are current.

    They are also out of date if their folder of templates is gone or no longer usable.
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
    """The header for a table of `length_rows`."""
    if not has_tokens:
        return ("template", "renders", "instruction characters", "target characters")
    parts = ("instruction", "target")
    return ("template", "renders", *(f"{part} {what}" for part in parts for what in ("characters", "tokens", "cut")))


def length_rows(stats: Stats, has_tokens: bool) -> list[tuple[object, ...]]:
    """A row per template and one for all: quantiles as `5 / 50 / 95 / 99 percent / longest`."""
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
    """The path of the stats of a dataset (or view) in the folder of a built split."""
    return folder / f"templates-{dataset}.json"


def write_stats(folder: Path, stats: Stats) -> Path:
    """Write the stats next to the shards, atomically; they are not in the manifest."""
    path = stats_file(folder, stats.dataset)
    with replacing(path) as part:
        part.write_text(json.dumps(stats.to_plain(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_stats(folder: Path, dataset: str) -> Stats | None:
    """The stats of a dataset in the folder of a built split, or None if there are none.

    Raises DataError for a file that is damaged, malformed or of another split.
    """
    path = stats_file(folder, dataset)
    remedy = f"run `ib-data templates stats {dataset}` again"
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        look = f"check what is there and the disk, or {remedy}"
        raise DataError(dataset, f"cannot be read: {error.strerror}", file=str(path), remedy=look) from error
    except (ValueError, RecursionError) as error:
        raise DataError(dataset, f"cannot be read: {error}", file=str(path), remedy=remedy) from error
    table = Table.of(value, dataset, str(path), remedy=remedy).only(Stats.__dataclass_fields__)
    if (table.get("dataset", str), table.get("split", str)) != (dataset, folder.name):
        raise table.error(f"holds no counts of {dataset}/{folder.name}")
    return table.into(Stats, render=RenderOptions.of(table.table("render")))


def _known(value: Any) -> Any:
    """`value` without the keys whose value is None."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items() if item is not None}
    return [_known(item) for item in value] if isinstance(value, list | tuple) else value
