"""The results of the cells: one JSON file each, written whole or not at all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ib_data.errors import IbDataError
from ib_data.replacing import replacing
from study_parts.plan import Cell, Plan

Result = Mapping[str, Any]


def result_file(out: Path, cell: Cell) -> Path:
    """Where the result of a cell is."""
    return out / "cells" / f"{cell.name}.json"


def write_result(out: Path, cell: Cell, result: Result) -> None:
    """Write the result of a cell by one rename."""
    file = result_file(out, cell)
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as part:
        part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def read_result(plan: Plan, out: Path, cell: Cell) -> Result | None:
    """The result of a cell, None if there is none. Raises IbDataError for one of another configuration."""
    file = result_file(out, cell)
    try:
        found: Result = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if found["configuration"] != plan.digest(cell):
        remedy = "take another folder of results, or undo the change of the configuration"
        raise IbDataError(f"{file}: of another configuration of the study; {remedy}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What is there of a plan: `of` maps (family, arm, seed) to a result, `missing` are the cells without one."""

    plan: Plan
    of: Mapping[tuple[str, str, int], Result]
    missing: Sequence[Cell]

    def seeds(self, family: str, *arms: str) -> list[int]:
        """The seeds for which all these arms have a result; a seedless arm counts for every seed."""
        return [seed for seed in self.plan.seeds if all(self.one(family, arm, seed) for arm in arms)]

    def one(self, family: str, arm: str, seed: int) -> Result | None:
        """The result of an arm at a seed."""
        if self.plan.arms[arm].seedless:
            seed = self.plan.seeds[0]
        return self.of.get((family, arm, seed))

    def way(self, family: str, arm: str) -> str:
        """The way in which an arm counts: the one with the highest mean on held-out, over the seeds."""
        ways = self.plan.arms[arm].ways
        found = [result for (of, name, _), result in self.of.items() if (of, name) == (family, arm)]
        if len(ways) == 1 or not found:
            return ways[0]
        return max(ways, key=lambda way: fmean(mean_of(one["scores"][way], self.plan.held_out) for one in found))


def read_results(plan: Plan, out: Path) -> Results:
    """All results in a folder. Raises IbDataError for one of another configuration."""
    found, missing = {}, []
    for cell in plan.cells():
        result = read_result(plan, out, cell)
        if result is None:
            missing.append(cell)
        else:
            found[cell.family, cell.arm.name, cell.seed] = result
    return Results(plan=plan, of=found, missing=missing)


def mean_of(scores: Mapping[str, float | None], datasets: Sequence[str]) -> float:
    """The mean score over datasets; one that is not a number (a dataset without an answer) counts as 0."""
    return fmean(scores[name] or 0.0 for name in datasets)
