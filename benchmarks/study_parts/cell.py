"""One cell of the study: the product's own trainer, then its own evaluation, on one thread of the CPU."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ib_data.cards import Card
from ib_data.evaluation.report.examples import number
from ib_data.evaluation.run.run import Run
from ib_data.home import Home
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.sample import Annotation
from ib_data.stored.store import LocalStore
from ib_data.templates.renderer import Rendered, Renderer
from ib_data.templates.template import Template
from ib_data.training.answering import ModelAnswers
from ib_data.training.config.train_config import config_from
from ib_data.training.export.export_run import export_run
from ib_data.training.generation.opened import open_answerer
from ib_data.training.loop.trainer import train
from study_parts.plan import Cell, Plan

SHUFFLE_SEED = 0


def run_cell(plan: Plan, cell: Cell, home: Home, out: Path) -> dict[str, Any]:
    """The result of a cell: scores by way and dataset, and CPU seconds. What a stopped one has done is taken up."""
    torch.set_num_threads(1)
    with _cpu_seconds() as seconds:
        checkpoints, figures = _trained(plan, cell, home, out)
    training = seconds[0]
    scores: dict[str, dict[str, float | None]] = {}
    blind: dict[str, dict[str, float | None]] = {}
    with _cpu_seconds() as seconds:
        for way in cell.arm.ways:
            for point, model in checkpoints.items():
                folder = out / "evaluations" / cell.name / (point or way)
                scores[point or way] = _scores(plan, cell, home, model, way, folder)
                if cell.arm.blind:
                    blind[point or way] = _scores(plan, cell, home, model, way, folder / "blind", SHUFFLE_SEED)
    return {
        "family": cell.family,
        "seed": cell.seed,
        "arm": cell.arm.name,
        "configuration": plan.digest(cell),
        "scores": scores,
        "blind": blind,
        **figures,
        "cpu_s": {"train": round(training, 1), "evaluate": round(seconds[0], 1)},
    }


def _trained(plan: Plan, cell: Cell, home: Home, out: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """The models to evaluate, by the name of their point ("" for the last one), and figures of the training run."""
    before, model = plan.before(cell), plan.families[cell.family]
    if before:
        folder = out / "models" / before.name
        if not folder.exists():
            export_run(out / "runs" / before.name, folder, home)
        model = str(folder)
    if cell.arm.seedless:
        return {"": model}, {}
    run, points = out / "runs" / cell.name, cell.arm.points
    values = {**plan.training(cell), "model": model}
    if points:  # a checkpoint at each of them
        values |= {"save_every": min(points), "keep": values["steps"]}
    outcome = train(config_from(values), home, run, _silent)
    figures = {
        "losses": [outcome.first_loss, outcome.last_loss],
        "is_resumed": outcome.num_new_steps < values["steps"],
    }
    return {f"step {step}": str(run / f"step-{step:06d}") for step in points} or {"": str(outcome.checkpoint)}, figures


def _scores(
    plan: Plan, cell: Cell, home: Home, model: str, way: str, folder: Path, shuffle_seed: int | None = None
) -> dict[str, float | None]:
    """The official score of each dataset of an arm, a fraction; None where it is not a number."""
    answerer = open_answerer(model, home, device="cpu")
    if way == "unaware":
        answerer = replace(answerer, instruction_aware=False)
    renderer = Renderer()
    if way == "own":
        renderer = Uninstructed(options=load_mixture(plan.training(cell)["mixture"]).render)
    answers = ModelAnswers(answerer, cell.name, home)
    found: dict[str, float | None] = {}
    for name in cell.arm.datasets:
        run = Run(
            model=answers,
            store=LocalStore(home),
            folder=folder,
            renderer=renderer,
            number=plan.cases_of.get(name, plan.cases),
            shuffle_seed=shuffle_seed,
            only_best=True,
        )
        evaluated = run.evaluate(plan.protocol(name))
        assert evaluated is not None  # with one process
        found[name] = number(evaluated.scores.score)
    return found


class Uninstructed(Renderer):
    """Asks held-out datasets as multitask training asks: by their own words, or with the task in front.

    The name of a held-out dataset is left out, since the model never saw it (arXiv 2305.06500, section 3.4).
    """

    def zero_shot(self, card: Card) -> Template | None:
        """None: a held-out dataset draws a plain input, as held-in ones do."""
        return None

    def render(self, card: Card, annotation: Annotation, position: int, **given: Any) -> Rendered:
        """As the base does, without the name of a held-out dataset."""
        found = super().render(card, annotation, position, **given)
        if card.role != "held-out":
            return found
        return replace(found, instruction=found.instruction.replace(f":{card.name}]", "]", 1))


@contextmanager
def _cpu_seconds() -> Iterator[list[float]]:
    """A list that holds, after the block, the processor seconds of this process and its children in the block."""

    def used() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(one.ru_utime + one.ru_stime for one in both)

    found: list[float] = []
    start = used()
    yield found
    found.append(used() - start)


def _silent(_line: str) -> None:
    """The lines of training are in its log."""
