"""The frozen parts of the miniature's models and the start of its Q-Former, as the package ships them: one folder.

    backbones.json             format, version of the drawn world, files, checksums, how they were made
    vision.safetensors         vision_model.*
    FAMILY.safetensors         language_model.*
    qformer.safetensors        tensors of the start that are equal in all families: qformer.*, query_tokens
    start-FAMILY.safetensors   the start's other tensors, such as language_projection.*
    FAMILY/                    config.json, processor_config.json and the tokenizer of the language model
    qformer_tokenizer/

Tensors are float16, under their names in `InstructBlipForConditionalGeneration`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from ib_data.errors import DataError
from ib_data.file_state import sha256_of
from ib_data.strict import Count, Table
from ib_data.training.weights.tokenizer_files import QFORMER_FOLDER

RECORD = "backbones.json"
FORMAT = 1
SHIPPED = Path(str(package_files("ib_data.training"))) / "backbones" / "shipped"
MAKE = "make miniature-backbones"
_AGAIN = f"install ib-data again, or run `{MAKE}` in a checkout"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """Size and checksum of a file when it was written."""

    bytes: Count
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbones:
    """A folder of parts. `world` is the version of the drawn world that they were made for.

    `weights` are the safetensors files of each family; `files` are all files by their path below `folder`; `report`
    says how the parts were made.
    """

    folder: Path
    format: Count
    world: Count
    weights: Mapping[str, tuple[str, ...]]
    files: Mapping[str, StoredFile]
    report: Mapping[str, Any]

    def settings(self, family: str) -> dict[str, str]:
        """Configuration and tokenizers of a family: path in a model folder -> path in this folder."""
        own = {name.removeprefix(f"{family}/"): name for name in self.files if name.startswith(f"{family}/")}
        return own | {name: name for name in self.files if name.startswith(f"{QFORMER_FOLDER}/")}

    def digest(self, family: str) -> str:
        """SHA-256, in hex, over all that a family's model folder is made of. DataError if there is no such family."""
        return sha256(
            "\n".join(f"{name} {self.files[name].sha256}" for name in self._names(family)).encode()
        ).hexdigest()

    def require_whole(self, family: str) -> None:
        """Raise DataError if a file of the family is missing or differs from its checksum."""
        for name in self._names(family):
            path, expected = self.folder / name, self.files[name].sha256
            if not path.is_file():
                raise DataError(str(path), "expected this part of the miniature, found no such file", remedy=_AGAIN)
            if (found := sha256_of(path)) != expected:
                problem = f"damaged: expected SHA-256 {expected[:12]}..., found {found[:12]}..."
                raise DataError(str(path), problem, remedy=_AGAIN)

    def _names(self, family: str) -> list[str]:
        if family not in self.weights:
            raise DataError(str(self.folder / RECORD), f"has no parts of the family {family}", remedy=_AGAIN)
        return sorted({*self.weights[family], *self.settings(family).values()})


def read_backbones(folder: Path | None = None) -> Backbones:
    """The parts in `folder`, by default those of the package. Reads their record, not the parts.

    Raises DataError if there are none, for a damaged record, and for parts of another version of the drawn world.
    """
    folder = folder or SHIPPED
    path = folder / RECORD
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(str(path), "expected the parts of the miniature, found no such file", remedy=_AGAIN) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(str(path), f"damaged: {error}", remedy=_AGAIN) from error
    table = Table.of(value, "backbones", str(path), remedy=_AGAIN)
    if (found := table.get("format", int)) != FORMAT:
        raise table.error(f"expected format {FORMAT}, found {found}")
    _require_world(path, table.get("world", int))
    backbones = table.into(Backbones, folder=folder)
    for names in backbones.weights.values():
        for name in names:
            if name not in backbones.files:
                raise table.error(f"'files' has no {name!r}")
    return backbones


def _require_world(path: Path, found: int) -> None:
    from ib_data.builders.miniature.mirror import VERSION  # imports the drawing code

    if found != VERSION:
        problem = f"made for version {found} of the drawn world, and this ib-data draws version {VERSION}"
        raise DataError(str(path), problem, remedy=f"make them again: run `{MAKE}` in a checkout")
