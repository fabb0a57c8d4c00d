"""What to say of a split that is not built."""

from pathlib import Path

from ib_data.home import SPLITS
from ib_data.stored.manifest import MANIFEST
from ib_data.stored.store import LocalStore, Store


def why_not_built(store: Store, folder: Path, dataset: str, split: str) -> str:
    """Why there is no split in a store, with what is built of the dataset, and what to run."""
    if not isinstance(store, LocalStore):
        return f"{dataset}/{split}: there is no {store.address(folder, MANIFEST)}; {store.remedy(dataset)}"
    others = [other for other in SPLITS if (folder.parent / other / MANIFEST).exists()]
    if not others:
        return f"{dataset} is not built here; run `ib-data build {dataset}`"
    built = f"split {split!r} is not built here (built: {', '.join(others)})"
    return f"{dataset}: {built}; run `ib-data build {dataset} --split {split}`"
