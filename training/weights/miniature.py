"""The miniature's model folders, assembled from the parts that the package ships."""

import shutil
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.file_state import sha256_of
from ib_data.home import Home
from ib_data.replacing import new_folder
from ib_data.training.weights import values
from ib_data.training.weights.backbones import Backbones, read_backbones
from ib_data.training.weights.headers import SINGLE, StoredTensor, file_tensors
from ib_data.training.weights.writing import made, write_weights

if TYPE_CHECKING:
    from torch import Tensor

# Name of a start -> family of its language model.
MINIATURES: Mapping[str, str] = {"miniature": "llama", "miniature-t5": "t5"}
_VERSION = 1  # of what is made from the same parts


def miniature_folder(home: Home, name: str = "miniature") -> Path:
    """The model folder of the start called `name`, one of MINIATURES, assembled in HOME/models if it is not there.

    It is in the format of transformers, float32, and its name has a hash of the parts, so that equal parts give the
    same folder. A damaged one is replaced. Raises DataError for parts that are missing, damaged or of another version
    of the drawn world, and IbDataError if the folder cannot be written.
    """
    backbones, family = read_backbones(), MINIATURES[name]
    folder = home.root / "models" / f"{name}-{_digest(backbones, family)}"
    if _is_whole(folder, backbones, family):
        return folder
    backbones.require_whole(family)
    home.mark()
    try:
        for path in (folder, home.lock(folder.name)):
            path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(home.lock(folder.name)):
            if not _is_whole(folder, backbones, family):  # nor by another process in the meantime
                _write(folder, backbones, family)
    except OSError as error:
        raise IbDataError(f"{folder}: cannot be written ({error.strerror}); free some space there") from error
    return folder


def _digest(backbones: Backbones, family: str) -> str:
    return sha256(f"{_VERSION} {backbones.digest(family)}".encode()).hexdigest()[:12]


def _write(folder: Path, backbones: Backbones, family: str) -> None:
    """Write the model folder whole or not at all, in place of a damaged one."""
    with new_folder(folder) as part:
        for name, source in backbones.settings(family).items():
            (part / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(backbones.folder / source, part / name)
        tensors = {
            key: of for file in backbones.weights[family] for key, of in file_tensors(backbones.folder / file).items()
        }
        write_weights(part, {key: made("F32", of.shape, partial(_as_float32, of)) for key, of in tensors.items()})
        if folder.exists():
            note(f"{folder}: damaged, assembled again")
            shutil.rmtree(folder)


def _as_float32(tensor: StoredTensor) -> "Tensor":
    return values.load(tensor).float()


def _is_whole(folder: Path, backbones: Backbones, family: str) -> bool:
    """Whether the folder has every file: the copied ones by checksum, the weights by their header and size."""
    copies = backbones.settings(family).items()
    try:
        file_tensors(folder / SINGLE)
        return all(sha256_of(folder / name) == backbones.files[source].sha256 for name, source in copies)
    except (OSError, IbDataError):
        return False
