"""`training_data.json` of an exported folder: the datasets and splits that its run was trained on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ib_data.strict import Table

FILE = "training_data.json"


def all_members(stream: Mapping[str, Any], start: Path) -> tuple[tuple[str, str], ...]:
    """Each dataset and split in the state of a run's stream, and those that its start folder was trained on.

    A view is its dataset. Raises DataError as `read_trained_on`.
    """
    own = [(name.split("/")[0], str(member["split"])) for name, member in stream.get("members", {}).items()]
    return tuple(sorted({*own, *(read_trained_on(start) or ())}))


def write_trained_on(folder: Path, members: Sequence[tuple[str, str]]) -> None:
    """Write the file into a model folder."""
    rows = [{"dataset": dataset, "split": split} for dataset, split in members]
    (folder / FILE).write_text(f"{json.dumps({'members': rows}, indent=1)}\n", encoding="utf-8")


def read_trained_on(folder: Path) -> tuple[tuple[str, str], ...] | None:
    """What the file of a model folder says; None if it has none. Raises DataError for a damaged one."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        value = None
    rows = Table.of(value, "model", str(path), remedy="copy the model folder again").tables("members")
    return tuple((row.get("dataset", str), row.get("split", str)) for row in rows)
