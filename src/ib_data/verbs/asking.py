"""The settings of `ib-data generate` as options, and its two ways to ask: once, or for each line of a file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import typed
from ib_data.evaluation.decoding import Decoding
from ib_data.home import Home
from ib_data.settings import settings_of
from ib_data.training.config.train_config import TrainConfig
from ib_data.verbs.derived import option_of

if TYPE_CHECKING:
    from ib_data.training.generation.answerer import Answerer
    from ib_data.training.generation.questions import QuestionFile

# Settings of a model folder; a run has its own.
FOR_FOLDERS = ("bos_token", "activation")


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the settings of decoding, None where they are not given, and those of the model."""
    function = option_of(TrainConfig, "device", help="Where to answer.")(function)
    function = option_of(TrainConfig, "precision")(function)
    for name in reversed(FOR_FOLDERS):
        function = option_of(TrainConfig, name, show_default=False)(function)
    for name in reversed(settings_of(Decoding)):
        function = option_of(Decoding, name, default=None, show_default=False)(function)
    return function


def require_usage(given: Mapping[str, Any], decoding: Decoding, preset_name: str) -> None:
    """Raise UsageError for options that do not fit together; `decoding` is by the preset and the options."""
    asks = [name for name, key in (("--image", "images"), ("--video", "video"), ("--input", "questions")) if given[key]]
    if len(asks) != 1:
        found = " and ".join(asks) or "none of them"
        raise click.UsageError(f"expected one of --image, --video and --input, found {found}")
    if asks != ["--input"]:
        if given["prompt"] is None:
            raise click.UsageError("--prompt is missing")
        if given["output"]:
            raise click.UsageError("--output is for --input; redirect standard output instead")
    if given["is_streamed"]:
        if asks == ["--input"] or given["as_json"]:
            raise click.UsageError(f"--stream: not with {'--input' if asks == ['--input'] else '--json'}")
        if decoding.num_beams > 1:
            beams = f"the preset {preset_name} uses {decoding.num_beams} beams: add --num-beams 1"
            if given["num_beams"] is not None:
                beams = f"--num-beams is {decoding.num_beams}: make it 1"
            raise click.UsageError(f"--stream needs greedy decoding or sampling; {beams}")


def questions_of(given: Mapping[str, Any]) -> "QuestionFile | None":
    """The file of questions, or None for a single one. Raises IbDataError if a file is missing or in the way.

    So that all of this fails before a model is loaded.
    """
    from ib_data.training.generation.answer_file import require_new
    from ib_data.training.generation.media_file import require_file
    from ib_data.training.generation.questions import read_questions

    if not given["questions"]:
        for path in given["images"]:
            require_file(path, "image")
        if given["video"]:
            require_file(given["video"], "video")
        return None
    if given["output"]:
        require_new(given["output"])
    prompt = given["prompt"]
    return read_questions(given["questions"], None if prompt is None else typed(prompt))


def answer_one(answerer: "Answerer", decoding: Decoding, given: Mapping[str, Any]) -> None:
    """Print the answer to the question on the command line."""
    from ib_data.evaluation.answering import Asked
    from ib_data.training.generation.frames import read_frames

    kind, paths = ("video", (given["video"],)) if given["video"] else ("image", given["images"])
    num_frames = given["frames"] or answerer.num_frames
    media = [read_frames(path, kind, answerer.image_px, num_frames) for path in paths]
    asked = Asked(typed(given["prompt"]), media)
    if given["is_streamed"]:
        answerer.stream(asked, decoding, lambda piece: click.echo(piece, nl=False))
        click.echo()
        return
    (text,) = answerer.generate([asked], decoding)
    if given["as_json"]:
        found = {**_media_values(kind, paths), "prompt": asked.prompt, "answer": text}
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        click.echo(text)


def answer_file(
    answerer: "Answerer", file: "QuestionFile", decoding: Decoding, given: Mapping[str, Any], home: Home
) -> None:
    """Answer each line of a file of questions."""
    from ib_data.training.generation.file_run import FileRun

    FileRun(
        answerer=answerer,
        file=file,
        decoding=decoding,
        batch_size=given["batch_size"],
        num_frames=given["frames"] or answerer.num_frames,
        output=given["output"],
    ).run(home)


def _media_values(kind: str, paths: tuple[Path, ...]) -> dict[str, Any]:
    """The media of a question under the key that a line of JSON has for them."""
    names = [str(path) for path in paths]
    if kind == "video":
        return {"video": names[0]}
    return {"image": names[0]} if len(names) == 1 else {"images": names}
