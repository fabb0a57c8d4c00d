"""The study of the paper's findings: its arithmetic on results that are made up, and its runner on toy processes."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ib_data.errors import IbDataError
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.training.config.train_config import config_from

PLAN = """
seeds = [0, 1]
mini_size = 8
cases = 5
held_in = ["okvqa"]
held_out = ["vsr", "gqa"]
[families]
toy = "miniature"
[train]
mixture = "demo"
steps = 4
warmup_steps = 1
[arms.start]
seedless = true
ways = ["unaware", "card"]
[arms.base]
[arms.not-aware]
train = { instruction_aware = false }
[arms.uniform]
[arms.proportional]
[arms.multitask]
ways = ["card", "own"]
[arms.multitask-dataset]
[arms.finetune-start]
points = [2, 4]
datasets = ["gqa"]
[arms.finetune-tuned]
after = "base"
points = [2, 4]
datasets = ["gqa"]
"""
Part = Callable[[str], ModuleType]


@pytest.fixture
def plan(part: Part, tmp_path: Path) -> Any:
    (tmp_path / "toy.toml").write_text(PLAN)
    return part("plan").read_plan(tmp_path / "toy.toml")


def write(part: Part, plan: Any, out: Path, arm: str, seed: int, **scores: list[float]) -> None:
    """A result with these scores of okvqa, vsr and gqa by way; `step_N` is the way `step N`, of gqa alone."""
    cell = part("plan").Cell(family="toy", seed=seed, arm=plan.arms[arm])
    by_way = {
        way.replace("_", " "): dict(zip(("okvqa", "vsr", "gqa") if len(found) == 3 else ("gqa",), found, strict=True))
        for way, found in scores.items()
    }
    result = {
        "family": "toy", "seed": seed, "arm": arm, "configuration": plan.digest(cell), "scores": by_way, "blind": {},
        "cpu_s": {"train": 2.0, "evaluate": 1.0},
    }  # fmt: skip
    part("results").write_result(out, cell, result)


def test_the_packaged_plan_can_be_trained(part: Part) -> None:
    plan = part("plan").read_plan()
    cells = list(plan.cells())
    assert len(cells) == len({cell.name for cell in cells}) == 2 * (8 * 5 + 1)
    for cell in cells:
        config = config_from({**plan.training(cell), "model": plan.families[cell.family]})
        assert config.seed == cell.seed
        assert set(cell.arm.points) <= {config.steps * n // 4 for n in (1, 2, 4)}
    names = {arm: Path(plan.training(cell)["mixture"]).stem for cell in cells if (arm := cell.arm.name)}
    assert names["base"] == names["not-aware"] == "miniature"
    for arm, rule in (("base", "sqrt"), ("uniform", "uniform"), ("proportional", "proportional")):
        cell = next(cell for cell in cells if cell.arm.name == arm)
        assert load_mixture(plan.training(cell)["mixture"]).rule == rule
    found = part("findings").FINDINGS
    assert {name for finding in found for name in (finding.arm, *finding.others)} == set(plan.arms)


def test_differences_are_paired_by_seed(part: Part, plan: Any, tmp_path: Path) -> None:
    for seed, (base, other) in enumerate(((0.8, 0.5), (0.6, 0.4))):
        write(part, plan, tmp_path, "base", seed, card=[0.0, base, base])
        write(part, plan, tmp_path, "not-aware", seed, card=[0.1, other, other])
    results = part("results").read_results(plan, tmp_path)
    found = part("findings").compared(results, "toy", ("base", "not-aware"), plan.held_out)
    assert found.of_seed == pytest.approx((30, 20))
    assert found.mean == pytest.approx(25)
    assert found.interval == pytest.approx((20, 30))
    assert found.verdict == "holds"
    held_in = part("findings").compared(results, "toy", ("base", "not-aware"), plan.held_in)
    assert held_in.mean == pytest.approx(-10)
    assert held_in.verdict == "does not hold"


def test_an_interval_covers_what_it_says(part: Part) -> None:
    """Five normal values, true mean 0: 19 of 20 intervals have it. A plain percentile interval would reach 0.83."""
    rng, difference = np.random.default_rng(5), part("findings").difference
    found = [difference(list(rng.normal(size=5))).interval for _ in range(60)]
    missed = sum(not low <= 0 <= high for low, high in found)
    assert missed <= 8
    assert difference([1.0]).verdict == "too few seeds"
    assert difference([-1.0, 2.0, 0.5]).verdict == "undecided"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([(3, 4), (1, 2)], "holds"),
        ([(3, 4), (-1, 2)], "undecided"),
        ([(3, 4), (-2, -1)], "does not hold"),
        ([(3, 4), None], "missing"),
    ],
)
def test_a_finding_holds_if_all_of_its_comparisons_do(part: Part, said: list[Any], expected: str) -> None:
    module = part("findings")
    given = [one and module.Difference(of_seed=(0.0, 0.0), mean=0.0, interval=one) for one in said]
    assert module.verdict(given) == expected


def test_the_better_way_of_asking_counts(part: Part, plan: Any, tmp_path: Path) -> None:
    write(part, plan, tmp_path, "start", 0, unaware=[0.9, 0.1, 0.1], card=[0.0, 0.2, 0.3])
    write(part, plan, tmp_path, "base", 1, card=[0.5, 0.5, 0.5])
    results = part("results").read_results(plan, tmp_path)
    assert results.way("toy", "start") == "card"  # by held-out alone
    found = part("findings").compared(results, "toy", ("base", "start"), plan.held_out)
    assert found.of_seed == pytest.approx((25,))  # the start counts for every seed


def test_a_page_of_part_of_the_results_says_what_is_missing(part: Part, plan: Any, tmp_path: Path) -> None:
    for seed in plan.seeds:
        write(part, plan, tmp_path, "finetune-tuned", seed, step_2=[0.5 + seed / 10], step_4=[0.6])
        write(part, plan, tmp_path, "finetune-start", seed, step_2=[0.2], step_4=[0.6])
    results = part("results").read_results(plan, tmp_path)
    part("page").write_page(results, tmp_path / "study.md")
    page = (tmp_path / "study.md").read_text()
    assert "13 of 17 runs are missing (toy-start, toy-base-0, " in page
    assert "| toy | finetune-tuned over finetune-start, step 2 | +35.0 | +30.0 to +40.0 | 2 | holds |" in page
    assert "| toy | base over start | - | - | 0 | missing |" in page
    assert "| toy | finetune-tuned | 55.0 | 60.0 |" in page
    assert "| toy | finetune-tuned | 2 | 1 |" in page
    # Only the finding that has figures has a plot, and equal figures give equal bytes.
    (plot,) = (tmp_path / "study").iterdir()
    assert f"(study/{plot.name})" in page
    before = plot.read_bytes()
    part("page").write_page(results, tmp_path / "study.md")
    assert (plot.read_bytes(), (tmp_path / "study.md").read_text()) == (before, page)
    assert b"<svg" in before


def test_a_result_of_another_configuration_is_an_error(part: Part, plan: Any, tmp_path: Path) -> None:
    write(part, plan, tmp_path, "base", 0, card=[0, 0, 0])
    more = replace(plan, seeds=(0, 1, 2))
    assert len(part("results").read_results(more, tmp_path).of) == 1
    with pytest.raises(IbDataError, match="another configuration"):
        part("results").read_results(replace(plan, cases=6), tmp_path)


CHILD = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"


def runner(part: Part, plan: Any, out: Path, code: Callable[[Any], str], said: list[str]) -> Any:
    """A runner whose processes write an empty result, or run other code where `code` gives some."""
    started: list[str] = []

    def start(cell: Any) -> subprocess.Popen[bytes]:
        started.append(cell.name)
        result = {"configuration": plan.digest(cell), "cpu_s": {"train": 1.0}}
        file = part("results").result_file(out, cell)
        file.parent.mkdir(parents=True, exist_ok=True)
        words = ["-c", code(cell) or CHILD, str(file), json.dumps(result)]
        return subprocess.Popen([sys.executable, "-S", *words])

    cells = [*itertools.islice(plan.cells(), 3), list(plan.cells())[8]]  # start, base, not-aware, finetune-tuned
    made = part("runner").Runner(plan=plan, cells=cells, out=out, jobs=2, start=start, say=said.append)
    return made, started


def test_a_stopped_study_continues_with_what_is_missing(part: Part, plan: Any, tmp_path: Path) -> None:
    said: list[str] = []
    first, _ = runner(part, plan, tmp_path, lambda cell: "", said)

    def stopped(text: str) -> None:
        said.append(text)
        raise KeyboardInterrupt

    first.say = stopped
    with pytest.raises(KeyboardInterrupt):
        first.run_all()
    done = {path.stem for path in (tmp_path / "cells").glob("*.json")}
    assert 1 <= len(done) <= 2
    assert all(process.poll() is not None for _, process, _ in first._running.values())
    second, again = runner(part, plan, tmp_path, lambda cell: "", said)
    assert second.run_all()
    assert {*done, *again} == {"toy-start", "toy-base-0", "toy-not-aware-0", "toy-finetune-tuned-0"}
    assert not done & set(again)
    assert again.index("toy-finetune-tuned-0") == len(again) - 1 or "toy-base-0" in done
    assert said[-1].startswith("[4/4] ")


def test_a_failed_run_is_named_and_what_begins_from_it_left_out(part: Part, plan: Any, tmp_path: Path) -> None:
    said: list[str] = []
    made, started = runner(part, plan, tmp_path, lambda cell: "raise SystemExit(3)" * (cell.arm.name == "base"), said)
    assert not made.run_all()
    assert "toy-base-0: failed (exit 3); its output is above" in said
    assert "toy-finetune-tuned-0: left out, since toy-base-0 failed" in said
    assert sorted(started) == ["toy-base-0", "toy-not-aware-0", "toy-start"]


def test_a_run_that_another_process_has_is_left_to_it(part: Part, plan: Any, tmp_path: Path) -> None:
    cell = next(plan.cells())
    calls = itertools.count()

    def run() -> dict[str, Any]:
        next(calls)
        assert not part("runner").make_cell(plan, cell, tmp_path, run)  # meanwhile
        return {"configuration": plan.digest(cell)}

    assert part("runner").make_cell(plan, cell, tmp_path, run)
    assert part("runner").make_cell(plan, cell, tmp_path, run)  # done: not again
    assert next(calls) == 1
