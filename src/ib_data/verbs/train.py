"""`ib-data train`: tune the Q-Former on a mixture."""

import json
from dataclasses import asdict
from pathlib import Path
from textwrap import fill

import click

from ib_data.console import QUIET, note, set_verbosity
from ib_data.home import Home
from ib_data.training.config.config_file import config_names, load_config
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.extras import need_extras
from ib_data.verbs.arguments import common_options, json_option

_NAMES = fill(", ".join(config_names()), 76, break_on_hyphens=False)
_LISTED = f"\b\nPackaged configurations (docs/training.md has all keys):\n{_NAMES}"


@click.command("train", epilog=_LISTED)
@click.argument("config")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the run. [default: HOME/runs/CONFIG]",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and its cost, without training.")
@json_option
@common_options
def command(
    config: str, overrides: tuple[str, ...], home: Home, as_json: bool, out: Path | None, dry_run: bool
) -> None:
    """Tune the Q-Former on a mixture.

    CONFIG is a packaged configuration or a TOML file; KEY=VALUE overrides its keys. To continue a stopped run, run the
    same command again. With --json, standard output has only the summary.

    \b
    ib-data train miniature
    ib-data train instructblip-vicuna-7b --dry-run
    ib-data train miniature steps=200 learning_rate=1e-3 --out runs/longer
    ib-data train my-run.toml batch_size=64
    """
    chosen = load_config(config, overrides)
    need_extras("train")
    if dry_run:
        _report(chosen, home, as_json)
        return
    from ib_data.mixtures.loader.ranks import world_and_rank
    from ib_data.training.loop.trainer import train

    _, rank = world_and_rank()
    if rank:  # the first process speaks for all
        set_verbosity(QUIET)
    folder = out or home.runs / Path(config).stem
    outcome = train(chosen, home, folder, note)
    if rank:
        return
    if as_json:
        click.echo(
            json.dumps({"steps": chosen.steps, **asdict(outcome), "checkpoint": str(outcome.checkpoint)}, indent=1)
        )
        return
    click.echo(
        f"loss {outcome.first_loss:.4f} at the first step, {outcome.last_loss:.4f} at the last ({chosen.steps} steps)"
    )
    click.echo(f"checkpoint {outcome.checkpoint}")


def _report(config: TrainConfig, home: Home, as_json: bool) -> None:
    from ib_data.training.estimate.dry_run import dry_run
    from ib_data.training.estimate.report import report_text

    found = dry_run(config, home)
    click.echo(json.dumps(found.to_plain(), indent=1) if as_json else report_text(found))
