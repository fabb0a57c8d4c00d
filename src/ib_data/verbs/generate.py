"""`ib-data generate`: answer a prompt about images or a clip, or each line of a file."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from ib_data.errors import IbDataError
from ib_data.evaluation.decoding import PRESETS, Decoding, preset
from ib_data.home import Home
from ib_data.training.extras import need_extras
from ib_data.training.loop.record import saved_last
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.asking import FOR_FOLDERS, answer_file, answer_one, questions_of, require_usage, settings_options
from ib_data.verbs.derived import values_of

_PATH = click.Path(path_type=Path)


@click.command("generate")
@click.option(
    "--model",
    metavar="MODEL",
    help="A run, also by its name in HOME/runs, a checkpoint, a model folder, a hub id, or the start `miniature`. "
    "[default: the newest complete checkpoint in HOME/runs]",
)
@click.option("--start", default="", help="For a checkpoint: a copy of the model folder that its run began from.")
@click.option("--image", "images", multiple=True, type=_PATH, help="A JPEG, PNG, GIF or WEBP file. May be repeated.")
@click.option("--video", type=_PATH, help="A clip.")
@click.option("--prompt", help="The instruction; with --input, that of lines without one.")
@click.option(
    "--input",
    "questions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines with `prompt`, one of `image`, `images` and `video`, and perhaps `id`.",
)
@click.option(
    "--output", type=_PATH, help="File for the answers to --input; a stopped run continues. [default: standard output]"
)
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(1, 4096), help="Questions at a time.")
@click.option("--frames", type=click.IntRange(1, 256), help="Frames of a clip. [default: as in the run, else 4]")
@click.option("--stream", "is_streamed", is_flag=True, help="Print the words as they come; only without beams.")
@click.option(
    "--preset",
    "name",
    type=click.Choice(list(PRESETS)),
    default="greedy",
    show_default=True,
    help="Settings of decoding, changed by the options below; vqa and caption are those of the paper's code.",
)
@settings_options
@json_option
@common_options
def command(model: str | None, name: str, home: Home, **given: Any) -> None:
    """Answer a prompt about an image.

    Also about several images, about a clip, or for each line of a file: --input gives a line for each line, with
    `answer` or `error` added. Paths in it are relative to its folder.

    \b
    ib-data generate --image cat.jpg --prompt "What colour is the cat?"
    ib-data generate --image before.png --image after.png --prompt "What has changed?" --stream
    ib-data generate --video clip.mp4 --prompt "What is shown?" --preset vqa
    ib-data generate --model runs/miniature --input questions.jsonl --output answers.jsonl
    """
    changes = {key: value for key, value in values_of(Decoding, given).items() if value is not None}
    decoding = partial(preset, name, **changes)
    require_usage(given, decoding(is_causal=True), name)
    file = questions_of(given)
    candidates = [] if model else saved_last(home.runs)
    if not model and not candidates:
        remedy = "name a model with --model, or run `ib-data train miniature`"
        raise IbDataError(f"no checkpoint in {home.runs}; {remedy}")
    need_extras("generate")
    from ib_data.training.generation.opened import load_first_whole, open_answerer

    options = {key: given[key] for key in ("start", "device", "precision")}
    if model:
        answerer = open_answerer(model, home, **options, **{key: given[key] for key in FOR_FOLDERS})
    else:
        answerer = load_first_whole(candidates, home, **options)
    chosen = decoding(is_causal=answerer.loaded.is_causal)
    if file:
        answer_file(answerer, file, chosen, given, home)
    else:
        answer_one(answerer, chosen, given)
