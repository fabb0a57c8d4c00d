"""`manifest.json` of a built split: counts, checksums and recipe. A split without it is not built."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ib_data.errors import DataError
from ib_data.home import MANIFEST, SPLITS, Home
from ib_data.strict import Table

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
    """The contents of one built split. `recipe` holds all that decides its bytes: options, checksums, versions.

    Every source row is an annotation or a drop, so `num_annotations + num_drops` is the number of source rows (under
    `--limit`, of the rows that belong to its images or come before them in key order).
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

    @property
    def num_bytes(self) -> int:
        """The total size of all shards in bytes."""
        return sum(shard.num_bytes for shard in self.shards)

    def shards_sha256(self) -> str:
        """A checksum over the checksums of the shards."""
        return sha256("".join(f"{shard.sha256}  {shard.name}\n" for shard in self.shards).encode()).hexdigest()

    def missing(self, folder: Path) -> str | None:
        """The first file in `folder` that is missing or has the wrong size, or None. Nothing is hashed."""
        sizes = {shard.name: shard.num_bytes for shard in self.shards}
        for name in (*sizes, INDEX, DROPS):
            path = folder / name
            if not path.is_file() or path.stat().st_size != sizes.get(name, path.stat().st_size):
                return name
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A split whose manifest cannot be used, with the error that says why and what to do."""

    dataset: str
    split: str
    error: DataError


class UnreadableError(DataError):
    """A manifest that the disk or its permissions make unreadable, so it is unknown whether it is damaged."""


_KEYS = Manifest.__dataclass_fields__.keys()
_SHARD_KEYS = Shard.__dataclass_fields__.keys()


def read_manifest(folder: Path, dataset: str, *, file: str | None = None, remedy: str | None = None) -> Manifest | None:
    """The manifest in `folder`, or None if there is none.

    Raises UnreadableError if it cannot be read, and DataError if it is malformed. For a copy, `file` and `remedy`
    replace the path and the advice to delete it in that error.
    """
    path = folder / MANIFEST
    file, remedy = file or str(path), remedy or f"delete {folder} and build again"
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError as error:
        raise DataError(dataset, f"cannot be read: {error.strerror}", file=file, remedy=remedy) from error
    except OSError as error:
        closed = isinstance(error, PermissionError)
        mend = "allow this user to read it" if closed else "try again, and look at the disk"
        raise UnreadableError(dataset, f"cannot be read: {error.strerror}", file=str(path), remedy=mend) from error
    except (ValueError, RecursionError) as error:
        raise DataError(dataset, f"cannot be read: {error}", file=file, remedy=remedy) from error
    table = Table.of(value, dataset, file, remedy=remedy)
    if not _is_of_this_version(table.values):
        table = replace(table, remedy=f"made by another version of ib_data? use that one, or {remedy}")
    manifest = table.into(Manifest)
    if (manifest.dataset, manifest.split) != (dataset, folder.name):
        raise table.error(f"is not the manifest of {dataset}/{folder.name}")
    return manifest


def _is_of_this_version(values: Mapping[str, Any]) -> bool:
    """Whether the manifest and its shards have exactly the keys that this version writes."""
    shards = values.get("shards")
    rows = [row for row in shards if isinstance(row, dict)] if isinstance(shards, list) else []
    return values.keys() == _KEYS and all(row.keys() == _SHARD_KEYS for row in rows)


def survey(home: Home, dataset: str | None = None) -> tuple[list[Manifest], list[Damage]]:
    """The manifests in `home`, or of one dataset there, and the damaged ones.

    Both in order of dataset, then train, validation, test.
    """
    manifests, damaged = [], []
    for folder in built_folders(home, dataset):
        try:
            manifest = read_manifest(folder, folder.parent.name)
        except DataError as error:
            damaged.append(Damage(dataset=folder.parent.name, split=folder.name, error=error))
        else:
            manifests += [manifest] if manifest else []
    return manifests, damaged


def built_folders(home: Home, dataset: str | None = None) -> list[Path]:
    """The folders of all built splits in `home`, or of one dataset there, damaged or not, in order."""
    paths = (home.root / "shards").glob(f"{dataset or '*'}/*/{MANIFEST}")
    return sorted((path.parent for path in paths), key=_rank)


def _rank(folder: Path) -> tuple[str, int, str]:
    return folder.parent.name, (*SPLITS, folder.name).index(folder.name), folder.name
