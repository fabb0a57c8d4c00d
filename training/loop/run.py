"""The state of a run in memory: new from its start folder, or from the newest checkpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import torch

from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.stream.stream import Stream
from ib_data.training.batch.collator import Collator
from ib_data.training.config.train_config import FREE, GROWING, TrainConfig
from ib_data.training.features.cache import FeatureCache
from ib_data.training.features.encoder import encoder_fingerprint
from ib_data.training.loop import checkpoint as checkpoints
from ib_data.training.loop.optimizer import adamw, learning_rate_at
from ib_data.training.loop.ranks import Ranks
from ib_data.training.loop.record import newest
from ib_data.training.loop.sharding import shard_language_model
from ib_data.training.loop.train_log import say_what_differs
from ib_data.training.model.compiled import compile_parts
from ib_data.training.model.load import LoadedModel, load_model
from ib_data.training.model.parts import frozen_dtype, trained_parameters
from ib_data.training.weights.fingerprint import fingerprint


@dataclass(slots=True, kw_only=True)
class Run:
    """Model and optimiser of a run after `step` steps; `log` holds the log lines from the checkpoint.

    `start` is the folder that the run began from, `fingerprint` that of its contents; `cache` holds vision features;
    `checks` are the results that the checkpoint has, by entry.
    """

    loaded: LoadedModel
    optimizer: torch.optim.AdamW
    start: Path
    fingerprint: str
    cache: FeatureCache | None = None
    step: int = 0
    log: bytes = b""
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def model(self) -> Any:
        """The model, on the run's device."""
        return self.loaded.model


def load_start(config: TrainConfig, start: Path, device: torch.device) -> LoadedModel:
    """The model in a start folder on `device`, as a configuration wants it.

    Raises IbDataError if the images of the run do not have the size that the vision encoder takes.
    """
    dtype = frozen_dtype(config.precision, device)
    loaded = load_model(
        start,
        bos_token=config.bos_token,
        activation=config.activation,
        dtype=dtype,
        instruction_aware=config.instruction_aware,
    )
    wanted = loaded.config.vision_config.image_size
    if config.images.image_px != wanted:
        problem = f"image_px is {config.images.image_px}, the vision encoder of {start} takes {wanted}"
        raise IbDataError(f"{problem}; set image_px={wanted}")
    room = loaded.config.qformer_config.max_position_embeddings
    if config.max_instruction_tokens > room:
        problem = (
            f"max_instruction_tokens is {config.max_instruction_tokens}, the Q-Former of {start} has {room} positions"
        )
        raise IbDataError(f"{problem}; set max_instruction_tokens={room}")
    return loaded


def collator_of(config: TrainConfig, loaded: LoadedModel) -> Collator:
    """The collator for a configuration and its model."""
    return Collator(
        rows=loaded.row_maker(config.max_instruction_tokens, config.max_target_tokens),
        instruction_aware=config.instruction_aware,
        decoder_start_id=loaded.decoder_start_id,
        micro_batch_size=config.micro_batch_size,
        group_by_length=config.group_by_length,
    )


def fresh_run(config: TrainConfig, home: Home, start: Path, ranks: Ranks) -> Run:
    """A run before its first step."""
    loaded = load_start(config, start, ranks.device)
    try:
        if config.shard_language_model:  # before it moves: the whole of it may not fit on the device
            shard_language_model(loaded.model, ranks)
        loaded.model.to(ranks.device)
    except torch.OutOfMemoryError as error:
        remedy = "start several processes with shard_language_model=true, or set precision=bfloat16"
        raise IbDataError(f"{start}: the model does not fit into the memory of the GPU; {remedy}") from error
    cache = _feature_cache(config, home, loaded.model, ranks)
    if config.compile:
        compile_parts(loaded.model)
    optimizer = adamw(trained_parameters(loaded.model), config)
    known = fingerprint(loaded.folder, home)
    return Run(loaded=loaded, optimizer=optimizer, start=start, fingerprint=known, cache=cache)


def _feature_cache(config: TrainConfig, home: Home, model: Any, ranks: Ranks) -> FeatureCache | None:
    """The cache of vision features that a configuration asks for. Raises IbDataError where it would change losses."""
    if not config.feature_cache_gb:
        return None
    if frozen_dtype(config.precision, ranks.device) != torch.bfloat16:
        problem = "feature_cache_gb keeps features as bfloat16, but this run's vision encoder is float32"
        raise IbDataError(f"{problem}; set precision=bfloat16, or feature_cache_gb=0")
    known = encoder_fingerprint(model.vision_model)
    return FeatureCache(home.root / "cache" / "features", known, config.feature_cache_gb * 10**9, note)


def resumed_run(
    config: TrainConfig,
    home: Home,
    start: Path,
    stream: Stream,
    out: Path,
    ranks: Ranks,
    say: Callable[[str], None],
) -> Run | None:
    """The run from the newest checkpoint in `out`, verified, or None if there is none.

    Raises IbDataError for a checkpoint that is damaged, or from another configuration, other data or another start.
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
    run = fresh_run(config, home, start, ranks)
    if run.fingerprint != checkpoint.fingerprint:
        values = f"expected {checkpoint.fingerprint[:12]}..., found {run.fingerprint[:12]}..."
        remedy = f"set model to a copy of {checkpoint.start}, or {_another(out)}"
        raise IbDataError(f"{folder}: cannot resume: {start} is not the model it began from ({values}); {remedy}")
    checkpoints.load_trained(folder, run.model)
    checkpoints.load_optimizer(folder, run.model, run.optimizer)
    run.step, run.log = checkpoint.step, (folder / checkpoints.LOG).read_bytes()
    run.checks = checkpoint.checks
    say_what_differs(out / checkpoints.LOG, run.log, say)
    if checkpoint.step == config.steps:
        say(f"complete: {config.steps} of {config.steps} steps are done; to train longer, raise steps")
    else:
        say(f"resuming at step {checkpoint.step} of {config.steps}")
    if config.steps > checkpoint.config.steps:
        say(_longer(checkpoint, config))
    return run


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
