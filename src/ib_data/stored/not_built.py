"""The message for a split that is not built."""

from pathlib import Path

from ib_data.home import MANIFEST, SPLITS
from ib_data.stored.store import LocalStore, Store


def why_not_built(store: Store, folder: Path, dataset: str, split: str) -> str:
    """Why a store has no such split: which splits it has, and what to run."""
    if not isinstance(store, LocalStore):
        return f"{dataset}/{split}: there is no {store.address(folder, MANIFEST)}; {store.remedy(dataset)}"
    others = [other for other in SPLITS if (folder.parent / other / MANIFEST).exists()]
    if not others:
        where = "here" if store.home.root.exists() else f"here: there is no home {store.home.root}"
        return f"{dataset} is not built {where}; run `ib-data build {dataset}`"
    built = f"split {split!r} is not built here (built: {', '.join(others)})"
    return f"{dataset}: {built}; run `ib-data build {dataset} --split {split}`"
