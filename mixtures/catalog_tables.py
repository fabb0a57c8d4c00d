"""What the catalog shows: rows of its small tables, and the SQL of its views over the Parquet indices.

Names and columns are a contract with every query that users keep: they may be added to, never renamed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ib_data import __version__
from ib_data.builders.manifest import DROPS, INDEX, Manifest
from ib_data.cards import Card, card_names, load_card
from ib_data.home import Home
from ib_data.mixtures.spec import load_mixture, mixture_names
from ib_data.mixtures.weights import weights
from ib_data.tasks import TASKS
from ib_data.templates.library import load_task

_TEXT, _INTEGER, _NUMBER = pa.string(), pa.int64(), pa.float64()
_ANNOTATION = {
    "question": "VARCHAR",
    "answers": 'STRUCT("text" VARCHAR, "count" INTEGER)[]',
    "caption": "VARCHAR",
    "options": "VARCHAR[]",
    "answer_index": "INTEGER",
    "context": "VARCHAR",
    "ocr_tokens": "VARCHAR[]",
    "statement": "VARCHAR",
    "label": "VARCHAR",
    "history": 'STRUCT(question VARCHAR, "answer" VARCHAR)[]',
    "rationales": "VARCHAR[]",
    "extra": "VARCHAR",
}
VIEWS: dict[str, dict[str, str]] = {
    "samples": {
        "dataset": "VARCHAR",
        "split": "VARCHAR",
        "key": "VARCHAR",
        "shard": "VARCHAR",
        "media_kind": "VARCHAR",
        "width": "INTEGER",
        "height": "INTEGER",
        "media_bytes": "BIGINT",
        "media_sha256": "VARCHAR",
        "num_annotations": "BIGINT",
    },
    "annotations": dict.fromkeys(("dataset", "split", "key", "id", "task"), "VARCHAR") | _ANNOTATION,
    "drops": dict.fromkeys(("dataset", "split", "source_id", "reason"), "VARCHAR"),
}


def tables(built: Sequence[Manifest]) -> dict[str, pa.Table]:
    """The small tables, each by its name."""
    return {
        "datasets": _datasets(built),
        "shards": _table(
            {
                "dataset": _TEXT,
                "split": _TEXT,
                "shard": _TEXT,
                "num_samples": _INTEGER,
                "num_bytes": _INTEGER,
                "sha256": _TEXT,
            },
            ((m.dataset, m.split, s.name, s.num_samples, s.num_bytes, s.sha256) for m in built for s in m.shards),
        ),
        "templates": _table(
            dict.fromkeys(("task", "template", "kind", "text", "sha256"), _TEXT),
            ((t.task, t.name, t.kind, t.text, t.sha256) for task in TASKS for t in load_task(task)),
        ),
        "mixture_members": _table(
            {"mixture": _TEXT, "dataset": _TEXT, "size": _INTEGER, "scale": _NUMBER, "weight": _NUMBER},
            _mixture_members(),
        ),
    }


def views(home: Home, built: Sequence[Manifest]) -> dict[str, str]:
    """The SELECT of each view, by its name; over nothing built, an empty relation of the same columns and types."""
    indices = [home.split(m.dataset, m.split) / INDEX for m in built]
    drops = [home.split(m.dataset, m.split) / DROPS for m in built]
    samples = (
        "SELECT dataset, split, key, any_value(shard) AS shard, any_value(media_kind) AS media_kind, "
        "any_value(width) AS width, any_value(height) AS height, any_value(media_bytes) AS media_bytes, "
        "any_value(media_sha256) AS media_sha256, count(*) AS num_annotations "
        f"FROM {_parquet(indices)} GROUP BY dataset, split, key"
    )
    selects = {
        "samples": [samples] if built else [],
        "annotations": list(_annotations(home, built)),
        "drops": [f"SELECT dataset, split, source_id, reason FROM {_parquet(drops)}"] if built else [],
    }
    return {name: " UNION ALL ".join(parts) or _empty(VIEWS[name]) for name, parts in selects.items()}


def glob_escaped(path: Path) -> str:
    """`path` as the glob pattern that matches it alone: DuckDB takes every file name for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))


def literal(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _annotations(home: Home, built: Sequence[Manifest]) -> Iterable[str]:
    """A SELECT for each dataset with something built; a view reads its base under its own name and task."""
    columns = ", ".join(f'"{name}"' for name in _ANNOTATION)
    known = {name: load_card(name) for name in card_names()}
    unknown = {m.dataset for m in built} - set(known)
    for name, card in [*known.items(), *((name, None) for name in sorted(unknown))]:
        found = _built_of(name, card, built)
        if not found:
            continue
        source = _parquet([home.split(m.dataset, m.split) / INDEX for m in found])
        task = literal(card.task) if card else "NULL"
        yield f"SELECT {literal(name)} AS dataset, split, key, id, {task} AS task, {columns} FROM {source}"


def _built_of(name: str, card: Card | None, built: Sequence[Manifest]) -> list[Manifest]:
    """The manifests of a dataset; of a view, those of its base's splits that the view has too."""
    if card is None or card.view_of is None:
        return [m for m in built if m.dataset == name]
    return [m for m in built if m.dataset == card.view_of and m.split in card.splits]


def _datasets(built: Sequence[Manifest]) -> pa.Table:
    columns = (
        dict.fromkeys(("name", "title", "task", "role", "split"), _TEXT)
        | dict.fromkeys(("official_size", "num_samples", "num_annotations", "num_shards", "num_bytes"), _INTEGER)
        | {"version": _TEXT}
    )
    rows = []
    for name in card_names():
        card = load_card(name)
        found = {m.split: m for m in _built_of(name, card, built)}
        for split in card.splits.values():
            counts = _counts(card, found.get(split.name))
            # Of the used split the size is known even where the number of annotations (turns of conversations) is not.
            size = card.size if split.name == card.used_split else split.num_annotations
            head = (name, card.title, card.task, card.role, split.name, size)
            rows.append((*head, *counts, __version__))
    return _table(columns, rows)


def _counts(card: Card, manifest: Manifest | None) -> tuple[int | None, ...]:
    """num_samples, num_annotations, num_shards, num_bytes; a view has 0 shards of 0 bytes, so that sums stay true."""
    if manifest is None:
        return (None, None, None, None)
    stored = manifest.shards if card.view_of is None else ()
    return manifest.num_samples, manifest.num_annotations, len(stored), sum(s.num_bytes for s in stored)


def _mixture_members() -> Iterable[tuple[Any, ...]]:
    for name in mixture_names():
        mixture = load_mixture(name)
        share = weights(mixture)
        yield from ((name, m.dataset, m.size, m.scale, share[m.dataset]) for m in mixture.members)


def _table(columns: dict[str, pa.DataType], rows: Iterable[Sequence[Any]]) -> pa.Table:
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(records, schema=pa.schema(list(columns.items())))


def _parquet(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(literal(glob_escaped(path)) for path in paths)}])"


def _empty(columns: dict[str, str]) -> str:
    nulls = (f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in columns.items())
    return f"SELECT {', '.join(nulls)} WHERE false"
