"""Checkpoints: trained parameters, optimiser and position in the stream, as safetensors and JSON; never a pickle.

The random frozen base is not stored: `state.json` keeps its shape, seed and fingerprint. A language model pretrained on
texts (`text_steps`) is stored, since no seed reproduces it. A folder is verified against its `checkpoint.json` before
any of it is used; see `record`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ib_data.addresses import without_secrets
from ib_data.errors import IbDataError, one_line
from ib_data.replacing import new_folder
from ib_data.strict import Table
from ib_data.training.config.config_file import config_of
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.model import TinyShape, freeze, frozen_fingerprint, tiny_model, trained_parameters
from ib_data.training.record import RECORD, newest, require_whole, write_record
from ib_data.training.tokens import FILES, Tokens

WEIGHTS, OPTIMIZER, STATE = "trained.safetensors", "optimizer.safetensors", "state.json"
LANGUAGE = "language.safetensors"
LOG = "log.jsonl"
FORMAT = 1
_KEYS = ("format", "step", "position", "stream", "config", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The JSON part of a checkpoint, after `step` steps and `position` examples; `stream` is the stream's state."""

    folder: Path
    step: int
    position: int
    stream: dict[str, Any]
    config: TrainConfig
    shape: TinyShape
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that is saved of a run after `step` steps.

    `language` holds the values of a language model pretrained on texts (empty otherwise), `state` is the result of
    `state_of`, `log` the lines of the log so far.
    """

    step: int
    model: nn.Module
    optimizer: torch.optim.Optimizer
    tokens: Tokens
    language: Mapping[str, Tensor]
    state: Mapping[str, Any]
    log: bytes


def save(run: Path, snapshot: Snapshot) -> Path:
    """Write `run/step-NNNNNN` and return it.

    Written atomically by one rename. Raises IbDataError if it cannot be written; earlier checkpoints are unaffected.
    """
    folder = run / f"step-{snapshot.step:06d}"
    try:
        with new_folder(folder) as part:
            _write(part, snapshot)
    except (OSError, SafetensorError) as error:  # safetensors has its own error for a full disk
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        before = newest(run)
        kept = f"{before.name} is kept" if before else "none was saved before"
        remedy = "free some space there, and run the same command again"
        raise IbDataError(f"{folder}: cannot be saved ({one_line(reason, 200)}); {kept}; {remedy}") from error
    return folder


def _write(folder: Path, snapshot: Snapshot) -> None:
    """Write all files of a checkpoint into an empty folder."""
    trained, moments = trained_parameters(snapshot.model), snapshot.optimizer.state
    save_file({name: _plain(p) for name, p in trained.items()}, folder / WEIGHTS)
    save_file(
        {f"{name}:{key}": _plain(value) for name, p in trained.items() for key, value in moments[p].items()},
        folder / OPTIMIZER,
    )
    if snapshot.language:
        save_file(dict(snapshot.language), folder / LANGUAGE)
    snapshot.tokens.save(folder)
    state = {"format": FORMAT, "step": snapshot.step, **snapshot.state}
    (folder / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    (folder / LOG).write_bytes(snapshot.log)
    mode = (folder / LOG).stat().st_mode  # safetensors would make the weights unreadable for others
    write_record(folder, snapshot.step)
    for file in folder.iterdir():
        file.chmod(mode)


def read(folder: Path, *, look_beside: bool = True) -> Checkpoint:
    """The checkpoint in `folder`, or the newest one of the run in `folder`, with every byte verified.

    Raises IbDataError if there is none, and DamagedError (see `require_whole`) if it is damaged.
    """
    is_checkpoint = any((folder / name).is_file() for name in (RECORD, STATE, WEIGHTS))
    chosen = folder if is_checkpoint else newest(folder)
    if chosen is None:
        remedy = "name a folder step-NNNNNN or the run folder that holds it"
        raise IbDataError(f"{folder}: expected a checkpoint ({RECORD}), found none; {remedy}")
    record = require_whole(chosen, look_beside=look_beside)
    lacking = {WEIGHTS, OPTIMIZER, STATE, LOG, *FILES.values()} - record.files.keys()
    if lacking:
        raise IbDataError(f"{chosen / RECORD}: lists no {min(lacking)}; use another checkpoint")
    try:
        value = json.loads((chosen / STATE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise IbDataError(f"{chosen / STATE}: not JSON ({error}); use another checkpoint") from error
    table = Table.of(value, "checkpoint", str(chosen / STATE)).only(_KEYS)
    if table.get("format", int) != FORMAT:
        raise table.error(f"format {table.get('format', int)} is not the known one ({FORMAT})", "train again")
    model = table.table("model").only(("shape", "frozen_sha256"))
    return Checkpoint(
        folder=chosen,
        step=table.get("step", int),
        position=table.get("position", int),
        stream=table.get("stream", dict),
        config=config_of(table.table("config")),
        shape=_shape(model.table("shape")),
        fingerprint=model.get("frozen_sha256", str),
    )


def state_of(
    position: int, stream: Mapping[str, Any], config: TrainConfig, shape: TinyShape, fingerprint: str
) -> dict[str, Any]:
    """The contents of `state.json` apart from format and step, without a password in the URL of shards."""
    return {
        "position": position,
        "stream": dict(stream),
        "config": {**config.values(), "shards": without_secrets(config.shards)},
        "model": {"shape": asdict(shape), "frozen_sha256": fingerprint},
    }


def load_model(checkpoint: Checkpoint, tokens: Tokens) -> Any:
    """The model of a checkpoint on the CPU, with the frozen parts rebuilt. Raises IbDataError if their hash differs."""
    _check_words(checkpoint, tokens)
    model = tiny_model(checkpoint.shape, tokens)
    if checkpoint.config.text_steps:
        _copy_into(model.language_model, checkpoint.folder / LANGUAGE)
    freeze(model)
    if frozen_fingerprint(model) != checkpoint.fingerprint:
        raise IbDataError(
            f"{checkpoint.folder}: the frozen base made from seed {checkpoint.shape.seed} is not the one trained with "
            f"(expected SHA-256 {checkpoint.fingerprint[:12]}..., found {frozen_fingerprint(model)[:12]}...); "
            "use the versions of ib-data and torch that wrote the checkpoint, or train again"
        )
    _copy_into(model, checkpoint.folder / WEIGHTS)
    return model


def load_optimizer(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Load the saved moments into `optimizer`, on each parameter's device. Raises IbDataError if one is missing."""
    values = _tensors(folder / OPTIMIZER)
    for name, parameter in trained_parameters(model).items():
        state = {key.rsplit(":", 1)[1]: value for key, value in values.items() if key.rsplit(":", 1)[0] == name}
        if set(state) != {"step", "exp_avg", "exp_avg_sq"}:
            raise IbDataError(f"{folder / OPTIMIZER}: the moments of {name} are missing; use another checkpoint")
        # torch keeps the step count on the CPU, and the moments on the parameter's device.
        optimizer.state[parameter] = {k: v if k == "step" else v.to(parameter.device) for k, v in state.items()}


def language_values(model: Any) -> dict[str, Tensor]:
    """Copies of the language model's values, float32 on the CPU, for `save`; taken before it moves to a device."""
    return {name: _plain(p).clone() for name, p in model.language_model.named_parameters()}


def load_language(folder: Path) -> dict[str, Tensor]:
    """Load the values that `save` got from `language_values`."""
    return _tensors(folder / LANGUAGE)


def _copy_into(model: nn.Module, path: Path) -> None:
    """Copy a file's tensors into the trained parameters of `model`; the names must match exactly."""
    trained = trained_parameters(model)
    values = _tensors(path)
    if {name: p.shape for name, p in trained.items()} != {name: value.shape for name, value in values.items()}:
        raise IbDataError(f"{path}: names or shapes do not fit the model; use another checkpoint")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(values[name])


def _check_words(checkpoint: Checkpoint, tokens: Tokens) -> None:
    """Raise IbDataError for tokenizers with ids beyond the model's embeddings; on a GPU they would kill the process."""
    words = {"language": checkpoint.shape.language_words, "qformer": checkpoint.shape.qformer_words}
    for name, count in words.items():
        ids = set(getattr(tokens, name).get_vocab().values())
        if ids != set(range(count)):
            found = f"{len(ids)} from {min(ids, default=0)} to {max(ids, default=0)}"
            file = checkpoint.folder / FILES[name]
            raise IbDataError(f"{file}: expected ids from 0 to {count - 1}, found {found}; use another checkpoint")


def _shape(table: Table) -> TinyShape:
    for name in TinyShape.__dataclass_fields__:  # also those with a default: a checkpoint has all of them
        table.get(name, int)
    return table.into(TinyShape)


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous()


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        values: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise IbDataError(f"{path}: cannot be read as safetensors ({error}); use another checkpoint") from error
    return values
