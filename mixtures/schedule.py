"""Position -> (member, rank, epoch, index): the order of a mixture as arithmetic.

A master table of M slots holds each member exactly as often as its quota, so evenly that every prefix of k slots holds
within 1 of quota * k / M. It repeats for ever. Inside each block of B slots the labels are permuted by a key of (seed,
number of the block), so that the order has no period that a world size could fall in step with. Ranks are counted in
the permuted order: 0, 1, 2, ... for each member without a gap. An epoch is `size` ranks, each its own permutation.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ib_data.keyed import keyed_bits
from ib_data.mixtures.permutation import Int64s, permute, permute_array, subkey, subkeys

ALGORITHM = 1  # part of every fingerprint: raised when the same (quotas, sizes, seed) would give another order
BLOCK = 1024
# Ranks stay inside 64 bits for every table: a rank never exceeds its position.
MAX_POSITION = 2**62
# Blocks worked on at a time: enough to spread NumPy's cost of a call, few enough to stay inside the cache.
_BLOCKS_AT_ONCE = 64
_BITS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Draw:
    """What one position draws: the `rank`-th example of `member`, in its `epoch`, is annotation `index`."""

    member: str
    rank: int
    epoch: int
    index: int


@dataclass(frozen=True, slots=True)
class Draws:
    """Many draws as arrays of equal length. `member` numbers the schedule's names."""

    position: Int64s
    member: NDArray[np.int16]
    rank: Int64s
    epoch: Int64s
    index: Int64s

    def __len__(self) -> int:
        return len(self.position)


class Schedule:
    """The order of one mixture under one seed: a pure function of (quotas, sizes, seed, block, position).

    `quotas` gives, in the order of the spec, each member's slots in the master table; their sum must be a multiple of
    `block`. `sizes` gives the annotations that an epoch of each member visits (what is built). ValueError where a
    member with a quota has no size, or the block does not divide the table.
    """

    def __init__(self, quotas: Mapping[str, int], sizes: Mapping[str, int], seed: int, block: int = BLOCK) -> None:
        total = sum(quotas.values())
        if block < 1 or total < 1 or total % block or min(quotas.values()) < 0:
            raise ValueError(f"a table of {total} slots cannot be cut into blocks of {block}")
        if len(quotas) > 2**15:
            raise ValueError(f"{len(quotas)} members are more than the 32768 that a label can number")
        empty = [name for name, quota in quotas.items() if quota and sizes.get(name, 0) < 1]
        if empty:
            raise ValueError(f"members without annotations: {', '.join(empty)}")
        self.names = tuple(quotas)
        self.seed = seed
        self.block = block
        self._quotas = np.array(list(quotas.values()), dtype=np.int64)
        self._sizes = tuple(sizes.get(name, 0) for name in quotas)
        self._labels = master_table(list(quotas.values())).reshape(-1, block)
        self._base = _counts_before(self._labels, len(quotas))
        self._block_key = keyed_bits(seed, "mixture/block") & _BITS
        self._member_keys = tuple(keyed_bits(seed, f"mixture/epoch/{name}") & _BITS for name in quotas)

    def at(self, position: int) -> Draw:
        """The draw of one position, 0 to 2**62; computes one block, 0.2 ms wherever the position lies."""
        _check_range(position, position + 1)
        block, slot = divmod(position, self.block)
        labels, ranks = self._blocks(np.array([block], dtype=np.int64))
        member, rank = int(labels[0, slot]), int(ranks[0, slot])
        size = self._sizes[member]
        epoch, place = divmod(rank, size)
        index = permute(place, size, subkey(self._member_keys[member], epoch))
        return Draw(self.names[member], rank, epoch, index)

    def slice(self, start: int, count: int, step: int = 1) -> Draws:
        """The draws of positions start, start + step, ... (`count` of them); 0.25 us each at step 1."""
        _check_range(start, start + count * step)
        positions = np.arange(start, start + count * step, step, dtype=np.int64)
        chunk = max(_BLOCKS_AT_ONCE * self.block // step, _BLOCKS_AT_ONCE)
        parts = [self._draws(positions[i : i + chunk]) for i in range(0, max(count, 1), chunk)]
        fields = ("position", "member", "rank", "epoch", "index")
        return parts[0] if len(parts) == 1 else Draws(*(np.concatenate([getattr(p, f) for p in parts]) for f in fields))

    def _draws(self, positions: Int64s) -> Draws:
        """The draws of ascending positions."""
        numbers, slots = np.divmod(positions, self.block)
        new = np.ones(len(numbers), dtype=bool)
        new[1:] = numbers[1:] != numbers[:-1]
        rows = np.cumsum(new) - 1
        labels, ranks = self._blocks(numbers[new])
        member, rank = labels[rows, slots], ranks[rows, slots]
        epoch, index = np.empty_like(rank), np.empty_like(rank)
        for number in np.flatnonzero(np.bincount(member, minlength=len(self.names))):
            of_member = member == number
            size = self._sizes[number]
            epoch[of_member], places = np.divmod(rank[of_member], size)
            # A rank never falls along the positions, so equal ends mean one epoch and one key.
            epochs = epoch[of_member]
            keys = subkeys(self._member_keys[number], epochs[:1] if epochs[0] == epochs[-1] else epochs)
            index[of_member] = permute_array(places, size, keys)
        return Draws(positions, member, rank, epoch, index)

    def _blocks(self, numbers: Int64s) -> tuple[NDArray[np.int16], Int64s]:
        """Labels and ranks of whole blocks, each of shape (blocks, block), in the order of the stream."""
        cycles, rows = np.divmod(numbers, len(self._labels))
        keys = subkeys(self._block_key, numbers)[:, None]
        slots = np.broadcast_to(np.arange(self.block, dtype=np.int64), (len(numbers), self.block))
        order = permute_array(slots, self.block, keys)
        labels = np.take_along_axis(self._labels[rows], order, axis=1)
        # Sorting labels stably lists each member's slots in the order of the stream; minus where its run begins, that
        # is a slot's place among the block's slots of the same member.
        by_label = np.argsort(labels, axis=1, kind="stable")
        counts = self._base[rows + 1] - self._base[rows]
        first = np.cumsum(counts, axis=1) - counts
        offset = cycles[:, None] * self._quotas + self._base[rows] - first
        ranks = np.empty(labels.shape, dtype=np.int64)
        places = np.broadcast_to(np.arange(self.block, dtype=np.int64), labels.shape)
        np.put_along_axis(ranks, by_label, places, axis=1)
        return labels, ranks + np.take_along_axis(offset, labels.astype(np.int64), axis=1)


def master_table(quotas: list[int]) -> NDArray[np.int16]:
    """One cycle of labels, int16 of shape (sum of quotas,): every prefix of k holds within 1 of quota * k / total.

    Item j of a member with quota q may stand from slot floor(j * M / q) on and must stand before ceil((j + 1) * M / q).
    Taking the item with the earliest deadline meets all of them, because the even split of every slot among the members
    does (earliest deadline first is optimal for unit jobs), and meeting them is what keeps the counts within 1.
    """
    total = sum(quotas)
    labels = np.repeat(np.arange(len(quotas)), quotas)
    items = np.concatenate([np.arange(quota, dtype=np.int64) for quota in quotas])
    quota = np.array(quotas, dtype=np.int64)[labels]
    releases = items * total // quota
    deadlines = -((items + 1) * -total // quota)
    order = np.argsort(releases, kind="stable")
    # Deadline and label in one integer: ties go to the member that stands first in the spec.
    waiting = (deadlines * len(quotas) + labels)[order].tolist()
    arrivals = np.searchsorted(releases[order], np.arange(total), side="right").tolist()
    table: list[int] = []
    heap: list[int] = []
    arrived = 0
    for available in arrivals:
        while arrived < available:
            heapq.heappush(heap, waiting[arrived])
            arrived += 1
        table.append(heapq.heappop(heap))
    return (np.array(table, dtype=np.int64) % len(quotas)).astype(np.int16)


def _counts_before(labels: NDArray[np.int16], num_members: int) -> Int64s:
    """How often each member stands before each block, and in the whole table: shape (blocks + 1, members)."""
    counts = np.stack([np.bincount(row, minlength=num_members) for row in labels])
    return np.concatenate([np.zeros((1, num_members), dtype=np.int64), np.cumsum(counts, axis=0)])


def _check_range(start: int, end: int) -> None:
    if not 0 <= start <= end <= MAX_POSITION:
        raise ValueError(f"positions {start} to {end} lie outside 0 to 2**62")
