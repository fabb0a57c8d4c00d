"""`manifest.json` of a built split: counts, checksums, and the recipe that made it. Without it nothing is built."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ib_data.errors import DataError, quoted
from ib_data.home import Home
from ib_data.strict import Table

MANIFEST = "manifest.json"
INDEX = "index.parquet"
DROPS = "drops.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One finished tar file."""

    name: str
    num_samples: int
    num_annotations: int
    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one built split holds. `recipe` is all that decides its bytes: options, sources by checksum, versions.

    Every row of the source is either an annotation or a drop: `num_annotations + num_drops` is its number of rows
    (under `--limit`, of those rows that the limit let in).
    """

    dataset: str
    split: str
    num_samples: int
    num_annotations: int
    num_drops: int
    index_sha256: str
    drops_sha256: str
    shards: tuple[Shard, ...]
    recipe: Mapping[str, Any]

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into `folder`."""
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def missing(self, folder: Path) -> str | None:
        """The first file in `folder` that is not there or not of its size; None where all are (nothing is hashed)."""
        sizes = {shard.name: shard.num_bytes for shard in self.shards}
        for name in (*sizes, INDEX, DROPS):
            path = folder / name
            if not path.is_file() or path.stat().st_size != sizes.get(name, path.stat().st_size):
                return name
        return None


_KEYS = tuple(Manifest.__dataclass_fields__)
_SHARD_KEYS = tuple(Shard.__dataclass_fields__)


def read_manifest(folder: Path, dataset: str) -> Manifest | None:
    """The manifest in `folder`, None where there is none; DataError where it is not of the form."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    remedy = f"delete {folder} and build again"
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(dataset, f"cannot be read: {error}", file=str(path), remedy=remedy) from error
    if not isinstance(value, dict):
        raise DataError(dataset, f"expected a table, found {quoted(value)}", file=str(path), remedy=remedy)
    table = Table.of(value, dataset, str(path)).only(_KEYS)
    table.get("shards", list)  # `tables` would read none at all as an empty list
    shards = [_shard(row.only(_SHARD_KEYS)) for row in table.tables("shards")]
    if (table.get("dataset", str), table.get("split", str)) != (dataset, folder.name):
        raise table.error(f"is not the manifest of {dataset}/{folder.name}", remedy)
    return Manifest(
        dataset=table.get("dataset", str),
        split=table.get("split", str),
        num_samples=table.get("num_samples", int),
        num_annotations=table.get("num_annotations", int),
        num_drops=table.get("num_drops", int),
        index_sha256=table.get("index_sha256", str),
        drops_sha256=table.get("drops_sha256", str),
        shards=tuple(shards),
        recipe=table.get("recipe", dict),
    )


def _shard(table: Table) -> Shard:
    numbers = {key: table.get(key, int) for key in ("num_samples", "num_annotations", "num_bytes")}
    return Shard(name=table.get("name", str), sha256=table.get("sha256", str), **numbers)


def built(home: Home) -> list[Manifest]:
    """The manifests of everything that is built in `home`, sorted by dataset and split."""
    found = []
    for path in sorted(home.root.glob(f"shards/*/*/{MANIFEST}")):
        manifest = read_manifest(path.parent, path.parent.parent.name)
        if manifest:
            found.append(manifest)
    return found


def read_index(folder: Path, manifest: Manifest, columns: list[str]) -> Any:
    """Some columns of `index.parquet`, a pyarrow.Table; DataError for a file that is missing, damaged or another's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, dataset = folder / INDEX, manifest.dataset
    remedy = f"build {dataset} again"
    try:
        table = pq.read_table(path, columns=columns)
    except FileNotFoundError as error:
        raise DataError(dataset, "index is missing", file=str(path), remedy=remedy) from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(dataset, f"index cannot be read: {error}", file=str(path), remedy=remedy) from error
    if table.num_rows != manifest.num_annotations or table.num_columns != len(columns):
        problem = f"expected {manifest.num_annotations} rows as the manifest says, found {table.num_rows}"
        raise DataError(dataset, problem, file=str(path), remedy=remedy)
    return table.select(columns)
