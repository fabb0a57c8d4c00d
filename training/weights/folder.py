"""A model folder on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from transformers import InstructBlipConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """Where a tensor is."""

    file: Path
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model folder."""

    path: Path
    config: InstructBlipConfig
    tensors: Mapping[str, StoredTensor]


def require_model_folder(folder: Path) -> ModelFolder:
    """The folder as a model."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():
                part = file.get_slice(name)
                tensors[name] = StoredTensor(file=path, shape=tuple(part.get_shape()), dtype=part.get_dtype())
    return ModelFolder(path=folder, config=InstructBlipConfig.from_pretrained(folder), tensors=tensors)


def find_folder(name: str, home: object) -> Path:
    """The folder."""
    return Path(name)
