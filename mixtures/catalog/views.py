"""The SELECT of each view of the catalog, over Parquet files in place."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ib_data.cards import Card, card_names, load_card
from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.mixtures.catalog.holdings import Holdings, Lost
from ib_data.mixtures.catalog.relations import COUNTED, EVERY_RELATION, RELATIONS, SKIPS
from ib_data.mixtures.catalog.tables import built_of
from ib_data.stored.manifest import DROPS, INDEX, built_folders

_KEYS = ("dataset", "split", "key")


def view_files(home: Home) -> list[Path]:
    """The files that the views read, existing or not: indices and drops of built splits, and kept draws."""
    return [*(folder / name for folder in built_folders(home) for name in (INDEX, DROPS)), *_kept_draws(home)]


def empty(name: str) -> str:
    """A SELECT of the columns of the relation `name` without rows."""
    return f"SELECT {_each_column(name, 'NULL')} WHERE false"


def unreadable(name: str, message: str) -> str:
    """A SELECT of the columns of the relation `name` that raises the error `message` when it runs."""
    # The error is in the columns too: if they were null, DuckDB would know that `dataset = 'vqav2'` never holds, and
    # would return 0 rows without running it.
    fault = f"error({literal(message)})"
    return f"SELECT {_each_column(name, fault)} WHERE CAST({fault} AS BOOLEAN)"


def _each_column(name: str, value: str) -> str:
    return ", ".join(f'CAST({value} AS {kind}) AS "{column}"' for column, kind in EVERY_RELATION[name].columns.items())


def glob_escaped(path: Path) -> str:
    """The glob pattern that matches only `path`: DuckDB treats every file name as a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))


def literal(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _samples(home: Home, held: Holdings) -> str:
    values = (
        "count(*) AS num_annotations" if name == "num_annotations" else f"any_value({name}) AS {name}"
        for name in RELATIONS["samples"].columns
        if name not in _KEYS
    )
    parts = [_lost("samples", lost.dataset, lost) for lost in held.lost_of(INDEX)]
    if whole := held.whole(INDEX):
        source = _parquet([home.split(m.dataset, m.split) / INDEX for m in whole])
        parts.insert(0, f"SELECT {', '.join((*_KEYS, *values))} FROM {source} GROUP BY {', '.join(_KEYS)}")
    return " UNION ALL ".join(parts) or empty("samples")


def _annotations(home: Home, held: Holdings) -> str:
    return " UNION ALL ".join(_annotations_of_each(home, held)) or empty("annotations")


def _annotations_of_each(home: Home, held: Holdings) -> Iterator[str]:
    """A SELECT for each dataset with a built split; a view reads its base under its own name and task."""
    columns = ", ".join(f'"{name}"' for name in RELATIONS["annotations"].columns if name not in ("dataset", "task"))
    known: dict[str, Card | None] = {name: load_card(name) for name in card_names()}
    known |= dict.fromkeys(sorted({m.dataset for m in held.manifests} - set(known)))
    for name, card in known.items():
        found = built_of(name, card, held.whole(INDEX))
        if found:
            task = literal(card.task) if card else "NULL"
            own = f"SELECT {literal(name)} AS dataset, {task} AS task, {columns}"
            source = _parquet([home.split(m.dataset, m.split) / INDEX for m in found])
            yield f"SELECT {_names('annotations')} FROM ({own} FROM {source})"
        base, splits = (card.stored_as, card.splits) if card else (name, None)
        for lost in held.lost_of(INDEX):
            if lost.dataset == base and (splits is None or lost.split in splits):
                yield _lost("annotations", name, lost)


def _drops(home: Home, held: Holdings) -> str:
    parts = [_lost("drops", lost.dataset, lost) for lost in held.lost_of(DROPS)]
    if whole := held.whole(DROPS):
        source = _parquet([home.split(m.dataset, m.split) / DROPS for m in whole])
        parts.insert(0, f"SELECT {_names('drops')} FROM {source}")
    return " UNION ALL ".join(parts) or empty("drops")


def _lost(relation: str, dataset: str, lost: Lost) -> str:
    """A SELECT that raises the error of a lost file, if its split is queried and damage is not skipped."""
    fault = f"error({literal(lost.problem)})"
    own = {"dataset": literal(dataset), "split": literal(lost.split)}
    kinds = RELATIONS[relation].columns.items()
    columns = (f'CAST({own.get(column, fault)} AS {kind}) AS "{column}"' for column, kind in kinds)
    return f"SELECT {', '.join(columns)} WHERE CASE WHEN {SKIPS} THEN false ELSE CAST({fault} AS BOOLEAN) END"


def _draws(home: Home, _held: Holdings) -> str:
    files = _kept_draws(home)
    for path in files:
        if not _is_parquet(path):
            remedy = "delete it, and draw it again with `ib-data mixture draw --keep`"
            raise DataError("draws", "is not a Parquet file", file=str(path), remedy=remedy)
    columns = (f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in RELATIONS["draws"].columns.items())
    if not files:
        return empty("draws")
    # A file kept by an older version lacks this column.
    absent = 'SELECT CAST(NULL AS VARCHAR) AS "spec_sha256" WHERE false'
    kept = f"{absent} UNION ALL BY NAME SELECT * FROM {_parquet(files, 'union_by_name = true')}"
    return f"SELECT {', '.join(columns)} FROM ({kept})"


def _kept_draws(home: Home) -> list[Path]:
    return sorted(home.draws.glob("*.parquet"))  # unfinished files are in a subfolder


def _is_parquet(path: Path) -> bool:
    """Whether the footer can be read; DuckDB's error for a damaged footer does not name the file."""
    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError, ValueError):  # also if it is missing or a folder
        return False
    return True


def _names(relation: str) -> str:
    return ", ".join(f'"{name}"' for name in RELATIONS[relation].columns)


def _parquet(paths: Sequence[Path], *options: str) -> str:
    for path in paths:
        if "\\" in path.as_posix():
            problem, remedy = "DuckDB reads no path with a backslash", "move the home to another path"
            raise DataError("catalog", problem, file=str(path), remedy=remedy)
    files = f"[{', '.join(literal(glob_escaped(path)) for path in paths)}]"
    return f"read_parquet({', '.join((files, *options))})"


VIEWS: Mapping[str, Callable[[Home, Holdings], str]] = {
    "samples": _samples,
    "annotations": _annotations,
    "drops": _drops,
    "draws": _draws,
}
# Over a table of the catalog instead of files.
DERIVED: Mapping[str, str] = {
    "conversation_counts": f"""
        SELECT dataset, split,
               CASE WHEN problem IS NULL THEN num_conversations ELSE error(problem) END AS num_conversations
        FROM {COUNTED}
        WHERE problem IS NULL OR NOT ({SKIPS})"""
}
