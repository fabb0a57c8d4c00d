"""What of an evaluated split the model was trained on: the dataset itself, and images of it in other datasets."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ib_data.cards import load_card
from ib_data.cards.card import card_names
from ib_data.console import count_text
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.evaluation.scoring.scored import part_score
from ib_data.stored.built_split import NotBuiltError, open_built
from ib_data.stored.store import Store

# A dataset and one of its splits.
Member = tuple[str, str]


def with_leakage(evaluated: Evaluated, trained_on: Sequence[Member] | None, store: Store) -> Evaluated:
    """The evaluation with what is known of its leakage, and warnings. A report begins with its `line`, if it has one.

    `trained_on` are the datasets and splits of the model's training run, None if they are not known. Images are
    compared by the SHA-256 of their bytes, so a copy of another size or quality is not found.
    """
    name, split = evaluated.protocol.dataset, evaluated.protocol.split
    if trained_on is None:
        return replace(evaluated, leakage={"known": False})
    stored = load_card(name).stored_as
    members = sorted({(_stored_as(other), part) for other, part in trained_on})
    shared, missing = _shared_images(evaluated, members, store)
    places = [i for i, case in enumerate(evaluated.cases) if case.media_sha256 in shared]
    leakage: dict[str, Any] = {
        "known": True,
        "trained_on": any(other == stored for other, _ in members),
        "trained_on_split": (stored, split) in members,
        "members": [f"{other}/{part}" for other, part in members],
        "members_not_built": missing,
        "shared_images": len(shared),
        "shared_cases": len(places),
        "score_without": _score_without(evaluated, places),
    }
    if leakage["trained_on_split"]:
        leakage["line"] = f"{name}/{split}: the model was trained on these very examples"
    elif leakage["trained_on"]:
        leakage["line"] = f"{name}: the model was trained on another split of this dataset; this is not zero-shot"
    return replace(evaluated, leakage=leakage, warnings=[*_warnings(evaluated, leakage), *evaluated.warnings])


def _stored_as(name: str) -> str:
    """The dataset that holds the images of another one; itself if there is no card of it here."""
    return load_card(name).stored_as if name in card_names() else name


def _shared_images(evaluated: Evaluated, members: Sequence[Member], store: Store) -> tuple[set[str], list[str]]:
    """The checksums of the cases' images that the members hold too, and the members that are not built here."""
    wanted = pa.array({case.media_sha256 for case in evaluated.cases if case.media_sha256}, pa.string())
    found: set[str] = set()
    missing = []
    for dataset, split in members:
        try:
            built = open_built(store, dataset, split)
        except NotBuiltError:
            missing.append(f"{dataset}/{split}")
            continue
        for batch in built.batches(["media_sha256"]):
            column = batch.column("media_sha256")
            found |= set(column.filter(pc.is_in(column, value_set=wanted.cast(column.type))).to_pylist())
    return found, missing


def _score_without(evaluated: Evaluated, places: Sequence[int]) -> float | None:
    """The score of the cases that are not at `places`; None if there is none, or nothing is scored."""
    left = np.setdiff1d(np.arange(len(evaluated.cases)), np.array(places, dtype=np.int64))
    return part_score(evaluated, left.tolist()) if len(left) and not evaluated.is_hidden else None


def _warnings(evaluated: Evaluated, leakage: dict[str, Any]) -> list[str]:
    name, split = evaluated.protocol.dataset, evaluated.protocol.split
    found = []
    if leakage["shared_images"] and not leakage["trained_on_split"]:
        images, cases = count_text(leakage["shared_images"], "image"), count_text(leakage["shared_cases"], "case")
        found.append(f"{name}/{split}: {images} of it, in {cases}, are in the training data")
    if leakage["members_not_built"]:
        missing = ", ".join(leakage["members_not_built"])
        found.append(f"{name}/{split}: not compared with training data that is not built here: {missing}")
    return found
