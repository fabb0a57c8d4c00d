"""`ib-data generate`: answer a prompt about an image."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.training.extras import need_extras
from ib_data.training.loop.record import DamagedError, saved_last
from ib_data.verbs.arguments import common_options, json_option

if TYPE_CHECKING:
    from ib_data.training.generation.generate import Trained


@click.command("generate")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A checkpoint, or a run folder for its newest one. [default: the newest complete checkpoint in HOME/runs]",
)
@click.option("--image", required=True, type=click.Path(path_type=Path), help="A JPEG, PNG, GIF or WEBP file.")
@click.option("--prompt", required=True, help="The instruction.")
@click.option(
    "--max-new-tokens", default=30, show_default=True, type=click.IntRange(min=1), help="Maximum length of the answer."
)
@json_option
@common_options
def command(model: Path | None, image: Path, prompt: str, max_new_tokens: int, as_json: bool, home: Home) -> None:
    """Answer a prompt about an image.

    \b
    ib-data generate --image cat.jpg --prompt "What colour is the cat?"
    ib-data generate --model ~/ib_data/runs/miniature --image cat.jpg --prompt "What colour is the cat?"
    """
    if not image.is_file():
        raise IbDataError(f"{image}: expected an image, found {'a folder' if image.is_dir() else 'no such file'}")
    candidates = [model] if model else saved_last(home.runs)
    if not candidates:
        remedy = "name one with --model, or run `ib-data train miniature`"
        raise IbDataError(f"no checkpoint in {home.runs}; {remedy}")
    need_extras("generate")
    from ib_data.training.generation.generate import answer, load

    trained = load(model, home) if model else _first_whole(candidates, home)
    try:
        text = answer(trained, image.read_bytes(), prompt, max_new_tokens)
    except IbDataError as error:
        raise IbDataError(f"{image}: {error}") from error
    found = {"image": str(image), "prompt": prompt, "answer": text}
    click.echo(json.dumps(found, ensure_ascii=False, indent=1) if as_json else text)


def _first_whole(candidates: list[Path], home: Home) -> "Trained":
    """The model of the first complete checkpoint. Notes name it and each skipped checkpoint."""
    from ib_data.training.generation.generate import load

    for folder in candidates:
        try:
            trained = load(folder, home, look_beside=False)  # its neighbours are candidates too, each read once
        except DamagedError as error:
            note(f"skipped: {error}")
            continue
        note(f"model: {folder}")
        return trained
    raise IbDataError(f"no checkpoint in {candidates[0].parent.parent} is complete; name another with --model")
