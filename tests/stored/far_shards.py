"""Requests for all that a store holds of a split."""

from pathlib import Path

from ib_data.stored.manifest import read_manifest
from ib_data.stored.rows import Rows
from ib_data.stored.shard_reader import Request
from ib_data.stored.store import Store


def requests_of(store: Store, cache: Path, dataset: str = "vqav2") -> list[Request]:
    """One request for each row of a split, in their order."""
    folder = store.folder(dataset, "train")
    manifest = read_manifest(folder, dataset)
    assert manifest is not None
    shards = {shard.name: shard for shard in manifest.shards}
    rows = Rows(folder, manifest, cache)
    places = [rows.place(row) for row in range(rows.count)]
    return [Request(folder, shards[place.shard], place.extent) for place in places]
