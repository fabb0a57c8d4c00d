"""`ib-data model export`: a tuned run to a folder that transformers loads."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.training.extras import need_extras
from ib_data.training.loop.keeping import best_of
from ib_data.verbs.arguments import common_options, json_option


@click.command("export")
@click.argument("run")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write; must be empty.")
@click.option("--start", metavar="DIR", default="", help="A copy of the start folder of the run, if it has moved.")
@click.option("--best", "is_best", is_flag=True, help="The checkpoint of the lowest validation loss, not the newest.")
@json_option
@common_options
def export(run: str, out: Path, start: str, is_best: bool, home: Home, as_json: bool) -> None:
    """Write a tuned run as a complete model folder.

    RUN is a run folder, for its newest (or best) checkpoint, or one of its checkpoints; a relative one may be in HOME.
    InstructBlipForConditionalGeneration and InstructBlipProcessor of transformers load the folder and give the logits
    of the run; README.md in it is its model card. Load it with dtype=torch.float32: from a start folder in
    half precision, transformers would round the trained Q-Former too.

    \b
    ib-data model export ~/ib_data/runs/my-run --out my-model
    ib-data model export ~/ib_data/runs/my-run --best --out my-model
    ib-data model export runs/my-run/step-060000 --out my-model --start copies/start
    """
    need_extras("model export")
    from ib_data.training.export.export_run import export_run
    from ib_data.training.weights.hub import folder_here
    from ib_data.training.weights.miniature import MINIATURES

    named = f"runs/{run}" if (home.runs / run).is_dir() else "a run or one of its checkpoints"
    if run in MINIATURES:
        raise IbDataError(f"{run} is a start that ib-data ships, not a run; name {named}")
    folder = folder_here(run, home)
    if folder is None:
        raise IbDataError(f"{run}: no such folder, here or in {home.root}; name {named}")
    written = export_run(best_of(folder) if is_best else folder, out, home, start)
    if as_json:
        click.echo(json.dumps({**asdict(written), "folder": str(written.folder)}, indent=1))
        return
    counts = f"{written.num_trained:,} trained of {written.num_tensors:,} tensors"
    click.echo(f"{written.folder}: step {written.step:,}, {counts}")
    note(f"look at {written.folder / 'README.md'} before you publish it")
