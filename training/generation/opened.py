"""A model that answers, from a checkpoint, a run folder, a model folder or a hub id."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.templates.render_options import MAX_INSTRUCTION_TOKENS, MAX_TARGET_TOKENS
from ib_data.training.generation.answerer import Answerer
from ib_data.training.loop import checkpoint as checkpoints
from ib_data.training.loop.ranks import find_device
from ib_data.training.loop.record import RECORD, STATE, DamagedError, newest, read_record
from ib_data.training.loop.run import load_start
from ib_data.training.loop.start import start_of_checkpoint
from ib_data.training.model.load import LoadedModel, load_model
from ib_data.training.model.parts import frozen_dtype
from ib_data.training.weights.config_file import CONFIG
from ib_data.training.weights.fingerprint import fingerprint
from ib_data.training.weights.hub import find_folder
from ib_data.training.weights.miniature import MINIATURES
from ib_data.training.weights.trained_on import all_members, read_trained_on

_CHECKPOINT_FILES = (RECORD, STATE, checkpoints.WEIGHTS)


def open_answerer(
    name: str,
    home: Home,
    *,
    start: str = "",
    device: str = "auto",
    precision: str = "auto",
    bos_token: str = "",
    activation: str = "",
) -> Answerer:
    """The model called `name`: a checkpoint, a run (its newest checkpoint), a model folder, a hub id, a shipped start.

    A run may be named as in HOME/runs, unless it has the name of a shipped start. `start` is for checkpoints: a copy of
    the folder that the run began from. `bos_token` and `activation` are for model folders: a run has its own. Raises
    IbDataError if there is no such model, or if it is damaged.
    """
    folder = _folder_of(name, home)
    if is_run(folder) or not (folder / CONFIG).is_file():
        for option, value in (("bos_token", bos_token), ("activation", activation)):
            if value:
                raise IbDataError(f"{option} is for model folders, and the run in {folder} has its own; leave it out")
        return load(folder, home, device, start=start, precision=precision)
    if start:
        raise IbDataError(f"start is for checkpoints, {folder} is a model folder; leave it out")
    place = find_device(device)
    dtype = frozen_dtype(precision, place)
    with float32_on_cpu():
        loaded = load_model(folder, bos_token=bos_token, activation=activation, dtype=dtype)
    room = int(loaded.config.qformer_config.max_position_embeddings)
    return _ready(
        loaded,
        place,
        dtype,
        max_instruction_tokens=min(MAX_INSTRUCTION_TOKENS, room),
        bos_token=bos_token,
        activation=activation,
        trained_on=read_trained_on(folder),
    )


def _folder_of(name: str, home: Home) -> Path:
    """The run, checkpoint or model folder called `name`. A note says which if a run has the name of a shipped start."""
    given, run = Path(name).expanduser(), home.runs / name
    if name in MINIATURES:
        if is_run(run):
            note(f"{name} is the start that ib-data ships, without training; the run of that name is runs/{name}")
        return find_folder(name, home)
    if given.exists():
        return given
    return run if is_run(run) else find_folder(name, home)


def is_run(folder: Path) -> bool:
    """Whether a folder is a checkpoint or has one."""
    return any((folder / name).is_file() for name in _CHECKPOINT_FILES) or newest(folder) is not None


def load(
    folder: Path,
    home: Home,
    device: str = "auto",
    *,
    start: str = "",
    precision: str = "auto",
    look_beside: bool = True,
) -> Answerer:
    """The model of a checkpoint folder, or of the newest checkpoint in a run folder.

    With `precision` "auto" it is that of the run's configuration; torch takes as many threads as the run did. Raises
    IbDataError if there is none, or if the folder that the run began from is gone or has changed, and DamagedError (see
    `record.require_whole`) if the checkpoint is damaged.
    """
    if not is_run(folder):
        remedy = "name a run, a checkpoint of it (step-NNNNNN) or a model folder"
        raise IbDataError(f"{folder}: expected a checkpoint ({RECORD}), found none, nor a model ({CONFIG}); {remedy}")
    checkpoint = checkpoints.read(folder, look_beside=look_beside)
    config, place = checkpoint.config, find_device(device)
    if config.cpu_threads:  # as in training: the miniature takes ten times as long with two threads on a busy machine
        torch.set_num_threads(config.cpu_threads)
    if precision != "auto":
        config = replace(config, precision=precision)
    base = start_of_checkpoint(checkpoint, start, home).path
    with float32_on_cpu():
        loaded = load_start(config, base, place)
        checkpoints.load_trained(checkpoint.folder, loaded.model)
    return _ready(
        loaded,
        place,
        frozen_dtype(config.precision, place),
        max_instruction_tokens=config.max_instruction_tokens,
        instruction_aware=config.instruction_aware,
        num_frames=config.images.frames,
        made_from=f"{checkpoint.fingerprint} {read_record(checkpoint.folder).sha256}",
        bos_token=config.bos_token,
        activation=config.activation,
        trained_on=all_members(checkpoint.stream, base),
    )


def load_first_whole(candidates: Sequence[Path], home: Home, device: str = "auto", **options: str) -> Answerer:
    """The model of the first complete checkpoint, with `options` as in `load`. Notes name it and each skipped one."""
    for folder in candidates:
        try:
            found = load(folder, home, device, look_beside=False, **options)  # its neighbours are candidates too
        except DamagedError as error:
            note(f"skipped: {error}")
            continue
        note(f"model: {folder}")
        return found
    raise IbDataError(f"no checkpoint in {candidates[0].parent.parent} is complete; name another with --model")


def identity(answerer: Answerer, home: Home) -> str:
    """What identifies the model's values: equal for equal models. Reads the weights of a model folder once."""
    return answerer.made_from or fingerprint(answerer.loaded.folder, home)


def _ready(
    loaded: LoadedModel,
    device: torch.device,
    dtype: torch.dtype,
    *,
    max_instruction_tokens: int,
    **values: Any,
) -> Answerer:
    loaded.model.to(device).eval()
    # What a folder says about decoding would fill in whatever we leave open.
    loaded.model.language_model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    return Answerer(
        loaded=loaded,
        rows=loaded.row_maker(max_instruction_tokens, MAX_TARGET_TOKENS),
        device=device,
        dtype=dtype,
        **values,
    )
