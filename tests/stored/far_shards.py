"""Places of all that a store holds of a split."""

from pathlib import Path

from ib_data.stored.manifest import read_manifest
from ib_data.stored.rows import Rows
from ib_data.stored.store import Place, Store


def places_of(store: Store, cache: Path, dataset: str = "vqav2") -> list[Place]:
    """The place of each row of a split, in their order."""
    folder = store.folder(dataset, "train")
    manifest = read_manifest(folder, dataset)
    assert manifest is not None
    rows = Rows(folder, manifest, cache)
    return [rows.place(row) for row in range(rows.count)]
