"""The tensors of a model folder: names, types, shapes and places, read from the headers of its safetensors files.

The format: 8 bytes with the length of the header (little-endian), the header (JSON), the bytes of all tensors.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ib_data.errors import DataError, quoted
from ib_data.strict import read_text

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
_MOST_HEADER_BYTES = 100_000_000  # the limit of the safetensors library
_MOST_INDEX_BYTES = 2**25
_PIECE_BYTES = 2**22
# The name of a type in a header -> bytes of one number.
DTYPE_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
_AGAIN = "copy or download the folder again"
_CONVERT = (
    "on a machine where you trust it, load it once in transformers (`from_pretrained`) and write it with "
    "`save_pretrained`, then name the new folder"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor in a safetensors file: `name` there, type as in `DTYPE_BYTES`, and its bytes from position `begin`."""

    file: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Its size in the file."""
        return self.numel * DTYPE_BYTES[self.dtype]


def fault(file: Path, problem: str, remedy: str = _AGAIN, row: str | None = None) -> DataError:
    """The error for a file of a model folder."""
    return DataError(str(file), problem, row=row, remedy=remedy)


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of a model folder by their stored names: one file, or the shards of an index.

    A folder with both is read as transformers reads it, from the one file.

    Raises DataError for a folder without safetensors (a pickle is refused), for a missing or truncated file, and for a
    tensor that the index names and its file lacks.
    """
    if (folder / SINGLE).is_file():
        return file_tensors(folder / SINGLE)
    if (folder / INDEX).is_file():
        return _of_index(folder)
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        problem = f"expected {SINGLE}, found a pickle, which can run code when it is loaded"
        raise fault(folder / pickles[0], problem, _CONVERT)
    problem = f"expected {SINGLE} or {INDEX}, found neither"
    raise fault(folder, problem, f"{_AGAIN}; if its source has only a pickle (pytorch_model.bin), {_CONVERT}")


def file_tensors(file: Path) -> dict[str, StoredTensor]:
    """The tensors of one safetensors file by name. Raises DataError if it is truncated, or no such file."""
    header, begin, num_bytes = _header(file)
    found = {name: _tensor(file, name, value, begin) for name, value in header.items() if name != "__metadata__"}
    end = max((tensor.begin + tensor.num_bytes for tensor in found.values()), default=begin)
    if end != num_bytes:
        raise fault(file, f"damaged: its header promises {end:,} bytes, the file has {num_bytes:,}")
    return found


def stored_bytes(tensor: StoredTensor) -> Iterator[bytes]:
    """The bytes of a tensor, a few megabytes at a time. Raises DataError if the file ends before."""
    left = tensor.num_bytes
    with tensor.file.open("rb") as stream:
        stream.seek(tensor.begin)
        while left:
            piece = stream.read(min(left, _PIECE_BYTES))
            if not piece:
                raise fault(tensor.file, f"ends {left:,} bytes early", row=tensor.name)
            yield piece
            left -= len(piece)


def _of_index(folder: Path) -> dict[str, StoredTensor]:
    index = folder / INDEX
    weight_map = read_json(index, _MOST_INDEX_BYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise fault(index, f"expected a table 'weight_map', found {quoted(weight_map)}")
    for name, file in weight_map.items():
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            problem = f"expected the name of a safetensors file in this folder, found {quoted(file)}"
            raise fault(index, problem, row=name)
    shards = {file: file_tensors(folder / file) for file in sorted(set(weight_map.values()))}
    for name, file in weight_map.items():
        if name not in shards[file]:
            raise fault(folder / file, f"expected the tensor {name!r} by {INDEX}, found none")
    return {name: shards[file][name] for name, file in weight_map.items()}


def _header(file: Path) -> tuple[dict[str, Any], int, int]:
    """The header of a safetensors file, the position of the first tensor, and the size of the file."""
    try:
        with file.open("rb") as stream:
            num_bytes = file.stat().st_size
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= _MOST_HEADER_BYTES:
                remedy = f"{_AGAIN} (with `git lfs pull` if it came by git)"
                raise fault(file, f"expected a safetensors file, found {num_bytes:,} bytes that are none", remedy)
            if 8 + length > num_bytes:
                raise fault(file, f"damaged: expected a header of {length:,} bytes, the file has {num_bytes:,}")
            header = json.loads(stream.read(length))
    except FileNotFoundError as error:
        raise fault(file, "expected this file, found none") from error
    except (ValueError, RecursionError) as error:
        raise fault(file, "damaged: its header is not JSON") from error
    if not isinstance(header, dict):
        raise fault(file, "damaged: its header is not a table")
    return header, 8 + length, num_bytes


def _tensor(file: Path, name: str, value: object, begin: int) -> StoredTensor:
    """The tensor that a header describes as `{"dtype": ..., "shape": [...], "data_offsets": [begin, end]}`."""
    table: Mapping[str, Any] = value if isinstance(value, dict) else {}
    dtype, shape, offsets = table.get("dtype"), _counts(table.get("shape")), _counts(table.get("data_offsets"))
    if shape is None or offsets is None or len(offsets) != 2:
        raise fault(file, "damaged: expected a type, a shape and two offsets", row=name)
    if dtype not in DTYPE_BYTES:
        problem = f"expected a type of {', '.join(DTYPE_BYTES)}, found {quoted(dtype)}"
        raise fault(file, problem, "name a folder that is not quantized", row=name)
    tensor = StoredTensor(file=file, name=name, dtype=dtype, shape=shape, begin=begin + offsets[0])
    if tensor.num_bytes != offsets[1] - offsets[0]:
        problem = f"{dtype} of shape {list(shape)} needs {tensor.num_bytes:,} bytes, not {offsets[1] - offsets[0]:,}"
        raise fault(file, f"damaged: {problem}", row=name)
    return tensor


def _counts(value: object) -> tuple[int, ...] | None:
    """A list of integers from 0, or None for anything else."""
    if isinstance(value, list) and all(isinstance(number, int) and number >= 0 for number in value):
        return tuple(value)
    return None


def read_json(file: Path, most_bytes: int) -> dict[str, Any]:
    """The table in a JSON file of a model folder. Raises IbDataError if it is missing, larger, or anything else."""
    try:
        value = json.loads(read_text(file, most_bytes))
    except FileNotFoundError as error:
        raise fault(file, "expected this file, found none") from error
    except (ValueError, RecursionError) as error:
        raise fault(file, f"expected JSON, found {error}") from error
    if not isinstance(value, dict):
        raise fault(file, f"expected a table, found {quoted(value)}")
    return value
