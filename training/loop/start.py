"""The model folder that the run of a checkpoint began from."""

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.training.loop.checkpoint import Checkpoint
from ib_data.training.weights.fingerprint import fingerprint
from ib_data.training.weights.folder import ModelFolder, require_model_folder
from ib_data.training.weights.hub import find_folder
from ib_data.training.weights.miniature import MINIATURES


def start_of_checkpoint(checkpoint: Checkpoint, given: str, home: Home) -> ModelFolder:
    """The folder that the run of a checkpoint began from, or `given`, a copy of it, with the right fingerprint.

    A start of the package that is gone is assembled again. Raises IbDataError if it is gone or has other contents.
    """
    if not given and not checkpoint.start.is_dir() and checkpoint.config.model in MINIATURES:
        given = checkpoint.config.model
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
