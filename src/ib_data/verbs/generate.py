"""`ib-data generate`: one answer about one picture."""

from pathlib import Path

import click

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.training.extras import need_extras
from ib_data.verbs.options import home_option


@click.command("generate")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A checkpoint folder, or a run folder (its newest). [default: the run in HOME/runs that was written last]",
)
@click.option(
    "--image", required=True, type=click.Path(path_type=Path), help="The picture, in any format Pillow reads."
)
@click.option("--prompt", required=True, help="The instruction.")
@click.option("--max-new-tokens", default=30, show_default=True, type=click.IntRange(min=1), help="Longest answer.")
@home_option
def command(model: Path | None, image: Path, prompt: str, max_new_tokens: int, home: Home) -> None:
    """One answer about one picture.

    \b
    ib-data generate --image cat.jpg --prompt "What colour is the cat?"
    ib-data generate --model ~/ib_data/runs/tiny --image cat.jpg --prompt "What colour is the cat?"
    """
    if not image.is_file():
        raise IbDataError(f"{image}: expected a picture, found no such file")
    run = model or _last_run(home)
    need_extras("generate")
    from ib_data.training.generate import answer, load

    trained = load(run)
    try:
        click.echo(answer(trained, image.read_bytes(), prompt, max_new_tokens))
    except IbDataError as error:
        raise IbDataError(f"{image}: {error}") from error


def _last_run(home: Home) -> Path:
    runs = [path for path in home.runs.glob("*") if path.is_dir()]
    if not runs:
        raise IbDataError(f"there is no run in {home.runs}; name one with --model, or run `ib-data train tiny`")
    return max(runs, key=lambda path: path.stat().st_mtime)
