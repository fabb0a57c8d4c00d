"""Write a checkpoint and the frozen parts of its start folder as one complete model folder."""

import json
from dataclasses import dataclass
from pathlib import Path

from ib_data.console import note
from ib_data.home import Home
from ib_data.replacing import new_folder
from ib_data.training.export.model_card import CARD, model_card
from ib_data.training.export.settings import exported_config, write_processor
from ib_data.training.loop import checkpoint as checkpoints
from ib_data.training.loop.checkpoint import Checkpoint
from ib_data.training.loop.start import start_of_checkpoint
from ib_data.training.weights.config_file import CONFIG
from ib_data.training.weights.folder import ModelFolder, require_model_folder
from ib_data.training.weights.headers import StoredTensor, fault, file_tensors
from ib_data.training.weights.start import copy_generation_config, require_free
from ib_data.training.weights.trained_on import all_members, write_trained_on
from ib_data.training.weights.writing import copied, write_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written: the folder, the step of the checkpoint, and how many of all tensors are the run's."""

    folder: Path
    step: int
    num_trained: int
    num_tensors: int


def export_run(run: Path, out: Path, home: Home, start: str = "") -> Exported:
    """Write the newest checkpoint of `run`, or the checkpoint `run`, as the model folder `out`, whole or not at all.

    Frozen parts come from the start folder of the run, or from its copy `start`; their bytes are copied, so memory does
    not depend on the size of the model. Trained parts stay float32. Raises IbDataError if `out` is not empty, for a
    checkpoint that is damaged, and for a start folder that has changed or is gone.
    """
    require_free(out)
    checkpoint = checkpoints.read(run)
    folder = start_of_checkpoint(checkpoint, start, home)
    trained = _trained(checkpoint, folder)
    if not checkpoint.config.instruction_aware:
        note(f"{run}: the Q-Former was trained without text, but InstructBlipForConditionalGeneration always gives it")
    tensors = {**folder.tensors, **trained}
    out.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(out) as part:
        config = exported_config(folder, checkpoint.config.activation, checkpoint.config.bos_token)
        (part / CONFIG).write_text(f"{json.dumps(config, indent=2)}\n", encoding="utf-8")
        write_processor(folder, part, checkpoint.config.bos_token)
        copy_generation_config(folder.path, part)
        write_weights(part, {name: copied(tensor) for name, tensor in tensors.items()})
        write_trained_on(part, all_members(checkpoint.stream, folder.path))
        log = (checkpoint.folder / checkpoints.LOG).read_bytes()
        (part / CARD).write_text(model_card(out.name, checkpoint, folder, log), encoding="utf-8")
        require_model_folder(part)
    return Exported(folder=out, step=checkpoint.step, num_trained=len(trained), num_tensors=len(tensors))


def _trained(checkpoint: Checkpoint, folder: ModelFolder) -> dict[str, StoredTensor]:
    """The trained tensors of a checkpoint. Raises DataError if one does not fit the start folder."""
    trained = file_tensors(checkpoint.folder / checkpoints.WEIGHTS)
    for name, tensor in trained.items():
        known = folder.tensors.get(name)
        if known is None or known.shape != tensor.shape:
            expected = f"shape {list(known.shape)}" if known else "no such tensor"
            raise fault(tensor.file, f"expected {expected}, found {list(tensor.shape)}", "use another checkpoint", name)
    return trained
