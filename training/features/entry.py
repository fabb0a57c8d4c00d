"""The bytes of a cached feature: a fixed header and bfloat16 values. Nothing is unpickled."""

import struct
import zlib

import torch
from torch import Tensor

# Magic, rows, columns (uint32, little-endian) and the CRC-32 of everything else.
_HEADER = struct.Struct("<8sIII")
_MAGIC = b"ibfeat\x00\x01"


def to_bytes(features: Tensor, name: str) -> bytes:
    """The entry of `features`, bfloat16 (P, W) on the CPU. `name` says whose features they are; it is checksummed."""
    rows, columns = features.shape
    values = features.contiguous().view(torch.uint8).numpy().tobytes()
    return _HEADER.pack(_MAGIC, rows, columns, _checksum(rows, columns, values, name)) + values


def from_bytes(entry: bytearray, name: str) -> Tensor | None:
    """The features, bfloat16 (P, W), in the memory of `entry`; None unless it is whole and was written for `name`."""
    if len(entry) < _HEADER.size:
        return None
    magic, rows, columns, checksum = _HEADER.unpack_from(entry)
    values = memoryview(entry)[_HEADER.size :]
    if magic != _MAGIC or not values or len(values) != num_bytes(rows, columns) - _HEADER.size:
        return None
    if _checksum(rows, columns, values, name) != checksum:
        return None
    return torch.frombuffer(entry, dtype=torch.bfloat16, offset=_HEADER.size).view(rows, columns)


def num_bytes(rows: int, columns: int) -> int:
    """The size of the entry of features (rows, columns)."""
    return _HEADER.size + rows * columns * torch.bfloat16.itemsize


def _checksum(rows: int, columns: int, values: bytes | memoryview, name: str) -> int:
    return zlib.crc32(values, zlib.crc32(f"{rows} {columns} {name}".encode()))
