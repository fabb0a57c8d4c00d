"""The plan of a new model folder: for every tensor where its values come from, and the report of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ib_data.console import count_text, debug, table
from ib_data.training.weights import values
from ib_data.training.weights.headers import fault
from ib_data.training.weights.sources import Source
from ib_data.training.weights.writing import Piece, copied, made

Kind = Literal["taken", "renamed", "resized", "new"]
KINDS: tuple[Kind, ...] = ("taken", "renamed", "resized", "new")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tensor of the new folder. `source` is the option and the stored name it came from, or empty."""

    kind: Kind
    piece: Piece
    source: str = ""
    note: str = ""


@dataclass(slots=True)
class Plan:
    """The tensors of a new model folder by name; random values are by `seed`."""

    seed: int
    entries: dict[str, Entry] = field(default_factory=dict)

    def take(self, name: str, source: Source, key: str, shape: tuple[int, ...], rows: str = "", note: str = "") -> None:
        """Take the tensor `key` of `source`. If it has too few rows, `rows` says what to add: "mean" or "random".

        Raises DataError if its shape is not `shape` and cannot be made so.
        """
        tensor = source.tensors[key]
        origin = f"{source.option} {tensor.name}"
        if tensor.shape == shape:
            kind: Kind = "taken" if name in (tensor.name, f"language_model.{tensor.name}") else "renamed"
            self.entries[name] = Entry(kind=kind, piece=copied(tensor), source=origin, note=note)
            return
        dim = values.grown_dim(tensor.shape, shape)
        if dim < 0 or not rows:
            problem = f"expected shape {list(shape)} for {name}, found {list(tensor.shape)}"
            raise fault(tensor.file, problem, "name folders whose sizes agree", row=tensor.name)
        added = count_text(shape[dim] - tensor.shape[dim], "row")
        if rows == "mean":
            piece = made(tensor.dtype, shape, lambda: values.with_mean_rows(tensor, shape))
            how = f"{added} added: the mean of the others"
        else:
            piece = made(tensor.dtype, shape, lambda: values.with_random_rows(name, tensor, shape, self.seed))
            how = f"{added} added: random, seed {self.seed}"
        note = f"{how}; {note}" if note else how
        self.entries[name] = Entry(kind="resized", piece=piece, source=origin, note=note)

    def make(self, name: str, shape: tuple[int, ...]) -> None:
        """Give the tensor new values."""
        piece = made("F32", shape, lambda: values.new_values(name, shape, self.seed))
        self.entries[name] = Entry(kind="new", piece=piece, note=values.describe_new(name, shape, self.seed))

    def pieces(self) -> dict[str, Piece]:
        """What to write."""
        return {name: entry.piece for name, entry in self.entries.items()}

    def report(self) -> dict[str, Any]:
        """The report as plain values: counts by kind, and every tensor."""
        rows = [
            {
                "tensor": name,
                "kind": entry.kind,
                "from": entry.source,
                "note": entry.note,
                "dtype": entry.piece.dtype,
                "shape": list(entry.piece.shape),
            }
            for name, entry in sorted(self.entries.items())
        ]
        counts = {kind: sum(row["kind"] == kind for row in rows) for kind in KINDS}
        return {"counts": counts, "seed": self.seed, "tensors": rows}


def report_lines(report: Mapping[str, Any]) -> str:
    """A report as a table for people: one row for all tensors of the same kind, origin and note.

    Every tensor is a debug line.
    """
    groups: dict[tuple[str, ...], tuple[int, int]] = {}
    for row in report["tensors"]:
        name = _group(row["tensor"], row["kind"])
        origin = _origin(row) if row["kind"] == "taken" else _group(row["from"], row["kind"])
        debug(f"{row['kind']}: {row['tensor']} from {row['from'] or '-'} {row['note']}".rstrip())
        numel = 1
        for size in row["shape"]:
            numel *= size
        group = (row["kind"], name, origin, row["note"])
        count, total = groups.get(group, (0, 0))
        groups[group] = (count + 1, total + numel)
    ordered = sorted(groups.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1:]))
    rows = [[kind, name, *numbers, origin, note] for (kind, name, origin, note), numbers in ordered]
    return table(["kind", "tensors", "count", "parameters", "from", "note"], rows)


def _origin(row: Mapping[str, Any]) -> str:
    """The group that a tensor is taken from; the whole folder of a language model alone, whose names lack the part."""
    option, _, stored = row["from"].partition(" ")
    part, _, key = row["tensor"].partition(".")
    return f"{option} *" if part == "language_model" and stored == key else _group(row["from"], "taken")


def _group(name: str, kind: str) -> str:
    """The name of a group of tensors: a part of the model if they are taken, otherwise the name without numbers."""
    if kind == "taken":
        return re.sub(r"(vision_model|language_model|qformer)\..*", r"\1.*", name)
    return re.sub(r"\.\d+\.", ".*.", re.sub(r"\.(weight|bias)$", ".*", name))
