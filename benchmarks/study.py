"""The paper's five findings, tried in the miniature: python benchmarks/study.py [run|report] --home H --out results

Builds the miniature, tunes and evaluates every arm of `study.toml` for every family and seed, one process and one
thread each, and writes docs/study.md with its plots. A run that was stopped continues with the same command. `report`
also works on part of the results, and says what is missing.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from hardware import RESULTS, machine
from study_parts.plan import PLAN, Cell, Plan, read_plan
from study_parts.results import read_results

from ib_data.errors import IbDataError
from ib_data.home import Home

ROOT = Path(__file__).resolve().parents[1]


def main(words: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    given = _arguments(words)
    try:
        plan, home = read_plan(given.plan), Home.find(given.home)
        if given.cell:
            return _one(plan, home, given)
        is_whole = given.action == "report" or _run(plan, home, given)
        if given.action != "run":
            _report(plan, given)
        return 0 if is_whole else 1
    except IbDataError as error:
        print(error, file=sys.stderr)
        return 1


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", nargs="?", choices=("all", "run", "report"), default="all")
    parser.add_argument("--home", default=".study/home", help="home of the built miniature and of the starts")
    parser.add_argument("--out", type=Path, default=Path(".study/results"), help="folder of the results")
    parser.add_argument("--plan", type=Path, default=PLAN, help="the configuration")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "study.md", help="the page to write")
    parser.add_argument("--write", action="store_true", help="also save all results as benchmarks/results/study.json")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cells at a time")
    for name in ("families", "seeds", "arms"):
        parser.add_argument(f"--{name}", nargs="*", default=[], help=f"only these {name}")
    parser.add_argument("--cell", default="", help=argparse.SUPPRESS)  # what a process of the run is for
    return parser.parse_args(words)


def _run(plan: Plan, home: Home, given: argparse.Namespace) -> bool:
    """Build the data and run the chosen cells; whether all of them are done."""
    from study_parts.data import build
    from study_parts.runner import Runner

    for name, known in (("families", plan.families), ("arms", plan.arms), ("seeds", map(str, plan.seeds))):
        if unknown := set(getattr(given, name)) - set(known):
            raise IbDataError(f"the study has no {', '.join(sorted(unknown))} among its {name}")
    build(plan, home)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    words = [sys.executable, __file__, "--home", str(home.root), "--out", str(given.out), "--plan", str(given.plan)]

    def start(cell: Cell) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*words, "--cell", cell.name], env=environment)

    cells = [cell for cell in plan.cells() if _is_chosen(cell, given)]
    return Runner(plan=plan, cells=cells, out=given.out, jobs=given.jobs, start=start).run_all()


def _is_chosen(cell: Cell, given: argparse.Namespace) -> bool:
    return (
        (not given.families or cell.family in given.families)
        and (not given.arms or cell.arm.name in given.arms)
        and (not given.seeds or cell.arm.seedless or str(cell.seed) in given.seeds)
    )


def _one(plan: Plan, home: Home, given: argparse.Namespace) -> int:
    from study_parts.cell import run_cell
    from study_parts.runner import BUSY, make_cell

    from ib_data.console import QUIET, set_verbosity

    set_verbosity(QUIET)
    cell = next(cell for cell in plan.cells() if cell.name == given.cell)
    return 0 if make_cell(plan, cell, given.out, lambda: run_cell(plan, cell, home, given.out)) else BUSY


def _report(plan: Plan, given: argparse.Namespace) -> None:
    from study_parts.page import write_page

    results = read_results(plan, given.out)
    write_page(results, given.page)
    if given.write:
        found = {"machine": machine(), "runs": list(results.of.values())}
        (RESULTS / "study.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{given.page}: {len(results.of)} of {len(results.of) + len(results.missing)} runs")


if __name__ == "__main__":
    sys.exit(main())
