"""The state of a run in memory: new from a configuration, or from the newest checkpoint in its folder."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ib_data.errors import IbDataError
from ib_data.mixtures.stream.stream import Stream
from ib_data.training import checkpoint as checkpoints
from ib_data.training.collator import Collator
from ib_data.training.config.train_config import FREE, GROWING, TrainConfig
from ib_data.training.log import say_what_differs
from ib_data.training.model import TinyShape, freeze, frozen_fingerprint, tiny_model, to_device, trained_parameters
from ib_data.training.record import newest
from ib_data.training.step import adamw, learning_rate_at
from ib_data.training.text_pretraining import read_texts
from ib_data.training.tokens import PAD, Tokens, build_tokens

VOCABULARY_EXAMPLES = 2048


@dataclass(slots=True, kw_only=True)
class Run:
    """Model, optimiser and stream of a run after `step` steps; `log` holds the log lines from the checkpoint."""

    model: Any
    tokens: Tokens
    optimizer: torch.optim.AdamW
    language: dict[str, Tensor]
    shape: TinyShape
    fingerprint: str
    step: int
    log: bytes


def find_device(name: str) -> torch.device:
    """The device with this name; `auto` uses CUDA if available. Raises IbDataError for `cuda` without a device."""
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise IbDataError("device=cuda: torch finds no CUDA device here; use device=auto")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


def collator_of(config: TrainConfig, tokens: Tokens) -> Collator:
    """The collator for a configuration."""
    return Collator(
        tokens=tokens,
        num_query_tokens=config.num_query_tokens,
        max_instruction_tokens=config.max_instruction_tokens,
        max_target_tokens=config.max_target_tokens,
    )


def fresh_run(config: TrainConfig, stream: Stream, device: torch.device) -> Run:
    """A run before its first step; the vocabulary comes from the first texts of the stream."""
    num_read = min(config.steps * config.batch_size, VOCABULARY_EXAMPLES)
    read = [example.rendered for example in stream.examples(0, num_read, with_pixels=False)]
    tokens = build_tokens(text for rendered in read for text, _ in rendered.segments)
    shape = TinyShape(
        seed=config.seed,
        image_px=config.images.image_px,
        num_query_tokens=config.num_query_tokens,
        language_words=tokens.language.get_vocab_size(),
        qformer_words=tokens.qformer.get_vocab_size(),
        max_qformer_tokens=config.max_instruction_tokens,
    )
    model = tiny_model(shape, tokens)
    language: dict[str, Tensor] = {}
    if config.text_steps:
        collator = collator_of(config, tokens)
        rows = [collator.text_ids(rendered) for rendered in read]
        read_texts(model.language_model, rows, tokens.language_id(PAD), config.text_steps)
        language = checkpoints.language_values(model)
    freeze(model)
    fingerprint = frozen_fingerprint(model)
    to_device(model, device)
    return Run(
        model=model,
        tokens=tokens,
        optimizer=adamw(trained_parameters(model), config),
        language=language,
        shape=shape,
        fingerprint=fingerprint,
        step=0,
        log=b"",
    )


def resumed_run(
    config: TrainConfig, stream: Stream, out: Path, device: torch.device, say: Callable[[str], None]
) -> Run | None:
    """The run from the newest checkpoint in `out`, verified, or None if there is none.

    Raises IbDataError for a checkpoint that is damaged, or from another configuration or other data.
    """
    folder = newest(out)
    if folder is None:
        return None
    checkpoint = checkpoints.read(folder)
    _require_same(checkpoint, config, out)
    try:
        position = stream.check_state(checkpoint.stream)
    except IbDataError as error:
        raise IbDataError(f"{folder}: cannot resume: {error}; {_another(out)}") from error
    if position != checkpoint.position or position != checkpoint.step * config.batch_size:
        places = f"step {checkpoint.step}, position {checkpoint.position}, stream position {position}"
        raise IbDataError(f"{folder}: cannot resume: {places} do not fit; use another checkpoint")
    tokens = Tokens.load(folder)
    model = checkpoints.load_model(checkpoint, tokens)
    language = checkpoints.load_language(folder) if config.text_steps else {}
    to_device(model, device)
    optimizer = adamw(trained_parameters(model), config)
    checkpoints.load_optimizer(folder, model, optimizer)
    log = (folder / checkpoints.LOG).read_bytes()
    say_what_differs(out / checkpoints.LOG, log, say)
    say(f"resuming at step {checkpoint.step} of {config.steps}")
    if config.steps > checkpoint.config.steps:
        say(_longer(checkpoint, config))
    return Run(
        model=model,
        tokens=tokens,
        optimizer=optimizer,
        language=language,
        shape=checkpoint.shape,
        fingerprint=checkpoint.fingerprint,
        step=checkpoint.step,
        log=log,
    )


def _require_same(checkpoint: checkpoints.Checkpoint, config: TrainConfig, out: Path) -> None:
    """Raise IbDataError if the checkpoint comes from another configuration, whatever its name."""
    then, now = checkpoint.config.values(), config.values()
    changed = [
        f"{key} was {then[key]}, is {now[key]}{' (it may only grow)' if key in GROWING else ''}"
        for key in now
        if key not in FREE and (now[key] < then[key] if key in GROWING else now[key] != then[key])
    ]
    if changed:
        remedy = f"give the old values to continue, or {_another(out)}"
        raise IbDataError(f"{checkpoint.folder}: cannot resume: {'; '.join(changed)}; {remedy}")


def _another(out: Path) -> str:
    """Advice to start a separate run, with a free name."""
    name = next(name for number in count(2) if not (name := out.with_name(f"{out.name}-{number}")).exists())
    return f"name another --out to start again, such as --out {name}"


def _longer(checkpoint: checkpoints.Checkpoint, config: TrainConfig) -> str:
    rates = [learning_rate_at(checkpoint.step, of) for of in (checkpoint.config, config)]
    return (
        f"steps was {checkpoint.config.steps}, is {config.steps}: the learning rate follows the longer schedule from "
        f"here on ({rates[0]:.2e} becomes {rates[1]:.2e})"
    )
