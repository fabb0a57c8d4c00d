"""The model folder that a run begins from: of a new run, and of a checkpoint."""

from pathlib import Path

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.stream.stream import Stream
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.loop.checkpoint import Checkpoint
from ib_data.training.model import miniature
from ib_data.training.weights.fingerprint import fingerprint
from ib_data.training.weights.folder import ModelFolder, require_model_folder
from ib_data.training.weights.hub import find_folder


def start_of_run(config: TrainConfig, home: Home, stream: Stream) -> Path:
    """The folder of the model that a run begins from; the miniature's is made if there is none yet."""
    if config.model == miniature.NAME:
        return miniature.miniature_folder(home, stream, config.images.image_px)
    return find_folder(config.model, home)


def start_of_checkpoint(checkpoint: Checkpoint, given: str, home: Home) -> ModelFolder:
    """The folder that the run of a checkpoint began from, or `given`, a copy of it, with the right fingerprint.

    Raises IbDataError if it is gone or has other contents.
    """
    remedy = "name a copy of that folder with --start"
    if not given and not checkpoint.start.is_dir():
        raise IbDataError(f"{checkpoint.folder}: the model that it began from, {checkpoint.start}, is gone; {remedy}")
    folder = require_model_folder(find_folder(given, home) if given else checkpoint.start)
    found, expected = fingerprint(folder, home), checkpoint.fingerprint
    if found != expected:
        values = f"expected {expected[:12]}..., found {found[:12]}..."
        problem = f"{folder.path} is not the model that it began from ({values})"
        raise IbDataError(f"{checkpoint.folder}: {problem}; {remedy}")
    return folder
