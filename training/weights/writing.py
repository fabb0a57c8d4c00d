"""Write safetensors files from pieces: bytes copied from other files, or values made when they are written.

Memory holds one made tensor at a time, whatever the size of the model.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ib_data.console import Progress
from ib_data.training.weights.headers import DTYPE_BYTES, INDEX, SINGLE, StoredTensor, stored_bytes

if TYPE_CHECKING:
    from torch import Tensor

_MOST_SHARD_BYTES = 5_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A tensor to be written: type as in `DTYPE_BYTES`, shape, and what yields its bytes."""

    dtype: str
    shape: tuple[int, ...]
    num_bytes: int
    read: Callable[[], Iterable[bytes]]


def copied(tensor: StoredTensor) -> Piece:
    """The bytes of a stored tensor, unchanged."""
    return Piece(dtype=tensor.dtype, shape=tensor.shape, num_bytes=tensor.num_bytes, read=lambda: stored_bytes(tensor))


def made(dtype: str, shape: tuple[int, ...], make: "Callable[[], Tensor]") -> Piece:
    """The values that `make` returns, of the given type and shape."""
    num_bytes = DTYPE_BYTES[dtype]
    for size in shape:
        num_bytes *= size
    return Piece(dtype=dtype, shape=shape, num_bytes=num_bytes, read=lambda: _value_bytes(make()))


def write_weights(folder: Path, pieces: Mapping[str, Piece]) -> None:
    """Write tensors by name into `folder`, as one file, or as shards of 5 GB with an index."""
    shards = _shards(pieces, _MOST_SHARD_BYTES)
    total = sum(piece.num_bytes for piece in pieces.values())
    files = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
    if len(shards) == 1:
        files = [SINGLE]
    with Progress("writing the weights", total, "B") as shown:
        for file, names in zip(files, shards, strict=True):
            _write(folder / file, {name: pieces[name] for name in names}, shown)
    if len(shards) > 1:
        weight_map = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
        (folder / INDEX).write_text(f"{json.dumps(index, indent=2)}\n", encoding="utf-8")


def _shards(pieces: Mapping[str, Piece], most_bytes: int) -> list[list[str]]:
    """The names of each shard, filled in the order of the names. A larger tensor has a shard of its own."""
    shards: list[list[str]] = [[]]
    num_bytes = 0
    for name, piece in sorted(pieces.items()):
        if shards[-1] and num_bytes + piece.num_bytes > most_bytes:
            shards.append([])
            num_bytes = 0
        shards[-1].append(name)
        num_bytes += piece.num_bytes
    return shards


def _write(file: Path, pieces: Mapping[str, Piece], shown: Progress) -> None:
    """Write one file. As in the library, wide types come first, so every tensor begins at a multiple of its width."""
    ordered = sorted(pieces.items(), key=lambda item: (-DTYPE_BYTES[item[1].dtype], item[0]))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, piece in ordered:
        offsets = [begin, begin + piece.num_bytes]
        header[name] = {"dtype": piece.dtype, "shape": list(piece.shape), "data_offsets": offsets}
        begin += piece.num_bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name, piece in ordered:
            num_bytes = sum(stream.write(part) for part in piece.read())
            assert num_bytes == piece.num_bytes, name
            shown.add(num_bytes)


def _value_bytes(values: "Tensor") -> Iterator[bytes]:
    import torch

    yield values.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
