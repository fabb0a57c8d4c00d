"""Batches from a worker to its consumer through shared memory that is used again.

torch hands each tensor over in shared memory of its own, whose pages are made for it and thrown away after it. Here a
worker pickles a batch with its large values apart (protocol 5, PEP 574) into one of a few slots; the consumer's tensors
and arrays are views of it, and when the last of them is gone the slot is free again. A consumer that keeps its batches
costs memory and nothing else: where no slot is free, a batch has memory of its own. Needs torch (`ib-data[train]`).
"""

import os
import pickle
import weakref
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ALIGNMENT = 64  # bytes; no dtype needs more
_ROOM = 1.25  # by how much a slot is larger than what it first holds: batches of stored bytes differ

_Bytes = NDArray[np.uint8]
_Place = tuple[int, int]  # offset, number of bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """Where a batch lies in the memory of a slot: first `num_bytes` of pickle, then its large values.

    `memory`, uint8 (bytes,), comes along where the consumer has not seen it yet; `slot` is None where it is used once.
    """

    worker: int
    slot: int | None
    memory: Tensor | None
    num_bytes: int
    values: tuple[_Place, ...]


class Handover:
    """The slots of all workers of a loader. The consumer makes it; each worker gets it by fork or pickle."""

    def __init__(self, workers: int, slots: int) -> None:
        self._taken = _shared(workers * slots).zero_().reshape(workers, slots)

    def sender(self, worker: int) -> "Sender":
        """For the one process that is this worker."""
        return Sender(worker, self._taken[worker].numpy())

    def receiver(self) -> "Receiver":
        """For the consumer."""
        return Receiver(self._taken.numpy())


class Sender:
    """Puts the batches of one worker into its slots. `taken`, uint8 (slots,), is 1 where the consumer has a batch."""

    def __init__(self, worker: int, taken: _Bytes) -> None:
        self.worker = worker
        self._taken = taken
        self._slots = [torch.empty(0, dtype=torch.uint8)] * len(taken)

    def send(self, batch: Any) -> Parcel:
        """What the receiver opens. The batch is copied when this returns."""
        pieces, values = _pickled(batch)
        num_bytes = sum(map(len, pieces))
        places = _places(num_bytes, [value.nbytes for value in values])
        slot, memory, is_new = self._room(sum(places[-1]) if places else num_bytes)
        room = memory.numpy().data
        for piece, end in zip(pieces, accumulate(map(len, pieces)), strict=True):
            room[end - len(piece) : end] = piece
        for value, (start, size) in zip(values, places, strict=True):
            room[start : start + size] = value
        return Parcel(self.worker, slot, memory if is_new else None, num_bytes, tuple(places))

    def _room(self, size: int) -> tuple[int | None, Tensor, bool]:
        """A free slot, its memory of at least `size` bytes, and whether the consumer has yet to be sent it."""
        free = np.flatnonzero(self._taken == 0).tolist()
        if not free:
            return None, _shared(size), True
        slot = next((number for number in free if len(self._slots[number]) >= size), free[0])
        is_new = len(self._slots[slot]) < size
        if is_new:
            self._slots[slot] = _shared(int(size * _ROOM))
        self._taken[slot] = 1
        return slot, self._slots[slot], is_new


class Receiver:
    """Opens the parcels of all workers, in the order in which each sent them."""

    def __init__(self, taken: _Bytes) -> None:
        self._taken = taken
        self._process = os.getpid()
        self._slots: dict[tuple[int, int], Tensor] = {}

    def open(self, parcel: Parcel) -> Any:
        """The batch. Its tensors and arrays keep the slot from being used again for as long as one of them lives."""
        lease = self._memory(parcel).numpy()[:]  # an object of its own, which whatever is made of it refers to
        if parcel.slot is not None:
            weakref.finalize(lease, self._release, parcel.worker, parcel.slot).atexit = False
        whole = lease.data
        values = [whole[start : start + size] for start, size in parcel.values]
        # From this program's own worker, as torch's queues bring it; nothing is unpickled that was stored.
        return pickle.loads(whole[: parcel.num_bytes], buffers=values)  # noqa: S301

    def _release(self, worker: int, slot: int) -> None:
        if os.getpid() == self._process:  # a fork of the consumer has copies of its tensors, but no say
            self._taken[worker, slot] = 0

    def _memory(self, parcel: Parcel) -> Tensor:
        if parcel.slot is None:
            assert parcel.memory is not None
            return parcel.memory
        name = (parcel.worker, parcel.slot)
        if parcel.memory is not None:
            self._slots[name] = parcel.memory
        return self._slots[name]


class _Pieces(list[bytes]):
    """A file to pickle into that copies nothing: the pickler gives each large text or bytes as a piece of its own."""

    write = list.append


class _Pickler(pickle.Pickler):
    """Tensors as arrays, which pickle can keep apart; torch's own way is a file format inside the pickle."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tensor or value.layout != torch.strided or value.device.type != "cpu":
            return NotImplemented
        if value.requires_grad or value.is_quantized or value.is_conj() or value.is_neg() or not value.numel():
            return NotImplemented  # what is more than plain memory torch itself knows best
        flat = value.contiguous().reshape(-1).view(torch.uint8)  # NumPy has no bfloat16
        return _tensor, (pickle.PickleBuffer(flat.numpy().data), value.dtype, tuple(value.shape))


def _tensor(data: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    return torch.frombuffer(data, dtype=torch.uint8).view(dtype).reshape(shape)


def _pickled(batch: Any) -> tuple[list[bytes], list[memoryview]]:
    """The pickle in pieces, and the memory of the large values that it leaves out."""
    pieces, values = _Pieces(), list[pickle.PickleBuffer]()
    _Pickler(pieces, protocol=5, buffer_callback=values.append).dump(batch)
    return pieces, [value.raw() for value in values]


def _places(start: int, sizes: list[int]) -> list[_Place]:
    """Where values of these sizes go behind `start` bytes, each aligned."""
    found = []
    for size in sizes:
        start += -start % _ALIGNMENT
        found.append((start, size))
        start += size
    return found


def _shared(size: int) -> Tensor:
    """uint8 (size,) that other processes can map, with any values."""
    memory: Tensor = torch.empty(size, dtype=torch.uint8).share_memory_()  # type: ignore[no-untyped-call]
    return memory
