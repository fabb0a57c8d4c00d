"""Processor seconds to evaluate all 26 datasets of the miniature: python benchmarks/evaluate_miniature.py [--write]

Builds the miniature of 40 images in a temporary home, with the splits that the protocols score and the training splits
of their vocabularies, trains the configuration `miniature` for 30 steps and runs `ib-data evaluate all` in this
process. Reports processor time, since other load on the machine affects wall time, and both for the whole. A dataset
holds what it takes from its cases to its scores; `report` is what is left, bootstrap and page included.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from hardware import report

from ib_data.cards import card_names, load_card
from ib_data.cli import group
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.protocols.read import protocol_of
from ib_data.evaluation.run.run import Run
from ib_data.home import Home

STEPS = 30


def command(home: Home, *words: str) -> None:
    """Run a command line on a home. Raises RuntimeError if it fails."""
    found = CliRunner().invoke(group, [*words, "--home", str(home.root), "--quiet"])
    if found.exit_code:
        raise RuntimeError(f"ib-data {' '.join(words)}: {found.output}")


def build(home: Home) -> None:
    """The default splits, which the training run reads, and those of the protocols."""
    protocols = [protocol_of(load_card(name)) for name in card_names()]
    by_split: dict[str, set[str]] = {}
    for one in protocols:
        splits = {one.split, "train"} if one.vocabulary_least else {one.split}
        for split in splits:
            by_split.setdefault(split, set()).add(load_card(one.dataset).stored_as)
    command(home, "build", "all", "--mini")
    for split, names in by_split.items():
        command(home, "build", *sorted(names), "--split", split, "--mini")


def main() -> None:
    """Measure and report."""
    seconds: dict[str, dict[str, Any]] = {}
    evaluate = Run.evaluate

    def timed(run: Run, protocol: Protocol) -> Any:
        start = time.process_time()
        found = evaluate(run, protocol)
        assert found is not None
        seconds[protocol.dataset] = {"cpu_s": round(time.process_time() - start, 2), "cases": len(found.cases)}
        return found

    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        build(home)
        command(home, "train", "miniature", f"steps={STEPS}", "warmup_steps=3")
        Run.evaluate = timed  # type: ignore[method-assign, assignment]
        start, wall = time.process_time(), time.perf_counter()
        command(home, "evaluate", "all", "--model", str(home.root / "runs" / "miniature"))
        total = time.process_time() - start
        whole = {"cpu_s": round(total, 1), "wall_s": round(time.perf_counter() - wall, 1)}
    rest = total - sum(one["cpu_s"] for one in seconds.values())
    report("evaluate_miniature", {"datasets": seconds, "report": {"cpu_s": round(rest, 2)}, "whole": whole})


if __name__ == "__main__":
    main()
