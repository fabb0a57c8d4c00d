"""`ib-data generate`: one answer about one picture."""

from pathlib import Path

import click

from ib_data.errors import IbDataError
from ib_data.training.extras import need_extras


@click.command("generate")
@click.option(
    "--model", required=True, type=click.Path(path_type=Path), help="A checkpoint folder, or a run folder (its newest)."
)
@click.option(
    "--image", required=True, type=click.Path(path_type=Path), help="The picture, in any format Pillow reads."
)
@click.option("--prompt", required=True, help="The instruction.")
@click.option("--max-new-tokens", default=30, show_default=True, type=click.IntRange(min=1), help="Longest answer.")
def command(model: Path, image: Path, prompt: str, max_new_tokens: int) -> None:
    """One answer about one picture.

    \b
    ib-data generate --model ~/ib_data/runs/tiny --image cat.jpg --prompt "What colour is the cat?"
    """
    need_extras("generate")
    from ib_data.training.generate import answer, load

    if not image.is_file():
        raise IbDataError(f"{image}: expected a picture, found no such file")
    trained = load(model)
    try:
        click.echo(answer(trained, image.read_bytes(), prompt, max_new_tokens))
    except IbDataError as error:
        raise IbDataError(f"{image}: {error}") from error
