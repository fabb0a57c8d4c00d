"""`ib-data evaluate`: a model on datasets, by their official metrics."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ib_data.console import QUIET, note, set_verbosity, typed
from ib_data.evaluation.choices import AGGREGATIONS, METHODS, NORMALISATIONS
from ib_data.evaluation.decoding import Decoding
from ib_data.home import Home
from ib_data.training.extras import need_extras
from ib_data.verbs.arguments import common_options, json_option, split_option, templates_option
from ib_data.verbs.asking import FOR_FOLDERS, settings_options
from ib_data.verbs.derived import values_of
from ib_data.verbs.evaluated import protocols_of
from ib_data.verbs.failures import raise_summary
from ib_data.verbs.score_table import show_report

# Options that change a protocol; those that are not given leave it as the card has it.
_CHANGES = ("method", "profile", "normalisation", "aggregation")


@click.command("evaluate")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--model",
    required=True,
    help="A run, also by its name in HOME/runs, a checkpoint, a model folder, a hub id, or the start `miniature`.",
)
@click.option("--start", default="", help="For a checkpoint: a copy of the model folder that its run began from.")
@split_option
@click.option("--method", type=click.Choice(METHODS), help="How answers are made. [default: as the paper does]")
@click.option("--profile", help="Variant of the metric, such as vqa-lavis. [default: as the card says]")
@click.option("--normalisation", type=click.Choice(NORMALISATIONS), help="Score of a candidate. [default: sum]")
@click.option("--aggregation", type=click.Choice(AGGREGATIONS), help="Of a label's words. [default: logsumexp]")
@click.option("--only-best", is_flag=True, help="Rank faster: find the best candidate without the others' scores.")
@click.option("--prompt", default="", help="A template in place of the dataset's prompt.")
@templates_option
@click.option("-n", "number", type=click.IntRange(min=1), help="Only so many cases, always the same ones.")
@click.option(
    "--shuffle-images",
    is_flag=True,
    help="Also ask each question about another example's image, to see what the image is worth.",
)
@click.option("--shuffle-seed", type=int, default=0, show_default=True, help="Seed of --shuffle-images.")
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(1, 4096), help="Questions at a time.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of predictions and report. [default: HOME/evaluations/MODEL-HASH]",
)
@settings_options
@json_option
@common_options
def command(names: tuple[str, ...], model: str, home: Home, as_json: bool, out: Path | None, **given: Any) -> None:
    """Score a model on datasets by their official metrics.

    NAMES are datasets, or held-in, held-out, all (the built datasets of that group). Split, metric, prompt, method and
    decoding are those of each dataset's card. A stopped run continues with the same command; torchrun spreads it over
    several processes. Writes report.json and report.html.

    \b
    ib-data evaluate gqa vsr --model runs/miniature
    ib-data evaluate held-out --model my-model -n 500
    ib-data evaluate vizwiz --model my-model --split validation --json
    ib-data evaluate gqa --model my-model --shuffle-images
    """
    changes = {key: given[key] for key in _CHANGES if given[key] is not None}
    protocols = protocols_of(home, names, given["split"], changes)
    need_extras("evaluate")
    from ib_data.evaluation.run.run import Run
    from ib_data.evaluation.run.several import evaluate_all, folder_name
    from ib_data.mixtures.loader.ranks import world_and_rank
    from ib_data.stored.store import LocalStore
    from ib_data.templates.library import PACKAGED, Library
    from ib_data.templates.renderer import Renderer
    from ib_data.training.answering import ModelAnswers
    from ib_data.training.generation.opened import open_answerer

    world, rank = world_and_rank()
    if rank:  # the first process speaks for all
        set_verbosity(QUIET)
    note(f"loading {model}")
    options = {key: given[key] for key in ("start", "device", "precision", *FOR_FOLDERS)}
    run = Run(
        model=ModelAnswers(open_answerer(model, home, **options), model, home),
        store=LocalStore(home),
        folder=out or home.evaluations,
        renderer=Renderer(Library(given["folder"]) if given["folder"] else PACKAGED),
        batch_size=given["batch_size"],
        only_best=given["only_best"],
        number=given["number"] or 0,
        prompt=typed(given["prompt"]),
        decoding={key: value for key, value in values_of(Decoding, given).items() if value is not None},
        world=world,
        rank=rank,
    )
    if out is None:
        # The profile is left out: it does not change what is predicted.
        how = {key: value for key, value in changes.items() if key != "profile"}
        how |= {"split": given["split"], "templates": str(given["folder"] or "")}
        run = replace(run, folder=home.evaluations / folder_name(run, how))
    outcome = evaluate_all(run, protocols, given["shuffle_seed"] if given["shuffle_images"] else None)
    if outcome.report is not None:
        show_report(outcome.report, [protocol.dataset for protocol in protocols], run.folder, as_json)
    raise_summary(outcome.faults.values(), f"{len(outcome.faults)} datasets were not evaluated")
