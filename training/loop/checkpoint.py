"""Checkpoints: trained parameters, optimiser and position in the stream, as safetensors and JSON; never a pickle.

Frozen parts are not stored: `state.json` names the folder that the run began from, and its fingerprint. A folder is
verified against its `checkpoint.json` before any of it is used; see `record`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
from ib_data.training.loop.keeping import beside, replace_folder
from ib_data.training.loop.record import RECORD, STATE, newest, require_whole, write_record
from ib_data.training.model.parts import trained_parameters

WEIGHTS, OPTIMIZER = "trained.safetensors", "optimizer.safetensors"
LOG = "log.jsonl"
FORMAT = 2  # 1 had the shape of a random model in place of its start folder
# The entries of `state.json` that hold the results of checks; empty if the step was not checked.
CHECKS = ("validation", "scores")
_KEYS = ("format", "step", "position", "stream", "config", "model", *CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The JSON part of a checkpoint, after `step` steps and `position` examples.

    `stream` is the stream's state; `checks` are the states of `Checked` by entry, empty where a step was not checked.
    """

    folder: Path
    step: int
    position: int
    stream: dict[str, Any]
    config: TrainConfig
    start: Path
    fingerprint: str
    checks: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that is saved of a run after `step` steps.

    `state` is the result of `state_of`, with the entries CHECKS; `log` the lines of the log so far.
    """

    step: int
    model: nn.Module
    optimizer: torch.optim.Optimizer
    state: Mapping[str, Any]
    log: bytes


def save(run: Path, snapshot: Snapshot) -> Path:
    """Write `run/step-NNNNNN` and return it.

    Written atomically by one rename. One of the same step, as a later validation of it finds it, is replaced once the
    new one is whole. Raises IbDataError if it cannot be written; earlier checkpoints are unaffected.
    """
    folder = run / f"step-{snapshot.step:06d}"
    try:
        new = beside(folder) if folder.exists() else folder
        with new_folder(new) as part:
            _write(part, snapshot)
        if new != folder:
            replace_folder(folder, new)
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
    lacking = {WEIGHTS, OPTIMIZER, STATE, LOG} - record.files.keys()
    if lacking:
        raise IbDataError(f"{chosen / RECORD}: lists no {min(lacking)}; use another checkpoint")
    try:
        value = json.loads((chosen / STATE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise IbDataError(f"{chosen / STATE}: not JSON ({error}); use another checkpoint") from error
    table = Table.of(value, "checkpoint", str(chosen / STATE)).only(_KEYS)
    if table.get("format", int) != FORMAT:
        raise table.error(f"format {table.get('format', int)} is not the known one ({FORMAT})", "train again")
    model = table.table("model").only(("start", "fingerprint"))
    return Checkpoint(
        folder=chosen,
        step=table.get("step", int),
        position=table.get("position", int),
        stream=table.get("stream", dict),
        config=config_of(table.table("config")),
        start=Path(model.get("start", str)),
        fingerprint=model.get("fingerprint", str),
        checks={entry: table.get(entry, dict, {}) for entry in CHECKS},
    )


def state_of(
    position: int, stream: Mapping[str, Any], config: TrainConfig, start: Path, fingerprint: str
) -> dict[str, Any]:
    """The contents of `state.json` apart from format, step and checks, without a password in the URL of shards."""
    return {
        "position": position,
        "stream": dict(stream),
        "config": {**config.values(), "shards": without_secrets(config.shards)},
        "model": {"start": str(start), "fingerprint": fingerprint},
    }


def load_trained(folder: Path, model: nn.Module) -> None:
    """Copy the trained values of a checkpoint into `model`. Raises IbDataError if names or shapes differ."""
    path, trained = folder / WEIGHTS, trained_parameters(model)
    values = _tensors(path)
    if {name: p.shape for name, p in trained.items()} != {name: value.shape for name, value in values.items()}:
        raise IbDataError(f"{path}: names or shapes do not fit the model; use another checkpoint")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(values[name])


def load_optimizer(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Load the saved moments into `optimizer`, on each parameter's device. Raises IbDataError if one is missing."""
    values = _tensors(folder / OPTIMIZER)
    is_fused = any(group.get("fused") for group in optimizer.param_groups)
    for name, parameter in trained_parameters(model).items():
        state = {key.rsplit(":", 1)[1]: value for key, value in values.items() if key.rsplit(":", 1)[0] == name}
        if set(state) != {"step", "exp_avg", "exp_avg_sq"}:
            raise IbDataError(f"{folder / OPTIMIZER}: the moments of {name} are missing; use another checkpoint")
        # The moments are on the parameter's device, and so is the step count of fused AdamW; otherwise on the CPU.
        stays = () if is_fused else ("step",)
        optimizer.state[parameter] = {k: v if k in stays else v.to(parameter.device) for k, v in state.items()}


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous()


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        values: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise IbDataError(f"{path}: cannot be read as safetensors ({error}); use another checkpoint") from error
    return values
