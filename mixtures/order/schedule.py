"""Position -> (member, rank, epoch, index): computes the order of a mixture.

A master table of M slots holds each member as often as its quota, spread so evenly that every prefix of k slots is
within 1 of quota * k / M. The table repeats. Within each block of B slots the labels are permuted by a key of (seed,
block number), so the order has no period that could align with a world size. Ranks are counted in the permuted order:
0, 1, 2, ... for each member without a gap. An epoch is `size` ranks and has its own permutation.

A mixture with several stages has a table for each, starting where the stage starts. Ranks continue across stages, so no
member restarts its epoch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ib_data.keyed import keyed_bits
from ib_data.mixtures.order.block_shuffle import BlockShuffle, local_order, local_order_array
from ib_data.mixtures.order.master_table import master_table
from ib_data.mixtures.order.permutation import Int64s, permute, permute_array, subkey, subkeys

ALGORITHM = 1  # part of every fingerprint: incremented when the same (quotas, sizes, seed) give another order
BLOCK = 1024
# Ranks fit in 64 bits for every table: a rank never exceeds its position.
MAX_POSITION = 2**62
# Blocks computed at a time: enough to amortise NumPy's call overhead, few enough to stay in the cache.
_BLOCKS_AT_ONCE = 64
# Positions that `batch` computes ahead: 0.8 microseconds each at 8 blocks, 4 at one block.
_POSITIONS_AHEAD = 8 * BLOCK
_BITS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Draw:
    """The draw of one position: the `rank`-th example of `member` is sampling unit `index` of its `epoch`."""

    member: str
    rank: int
    epoch: int
    index: int


@dataclass(frozen=True, slots=True)
class Draws:
    """Many draws as arrays of equal length. `member` indexes the schedule's names."""

    position: Int64s
    member: NDArray[np.int16]
    rank: Int64s
    epoch: Int64s
    index: Int64s

    def __len__(self) -> int:
        return len(self.position)

    def take(self, places: "Int64s | slice") -> "Draws":
        """The draws at these places."""
        return Draws(
            self.position[places], self.member[places], self.rank[places], self.epoch[places], self.index[places]
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """From the position `start` on, each member's slots in the master table, in the order of the spec."""

    start: int
    quotas: Mapping[str, int]


class Schedule:
    """The order of one mixture under one seed: a pure function of (stages, sizes, seed, locality, block, position).

    The quotas of a stage must sum to a multiple of `block`, and starts must be ascending multiples of it from 0. A
    member with quota 0 is not drawn there. `sizes` are the sampling units in an epoch of each member. `locality`
    turns on block shuffle. Raises ValueError if a member with a quota has no size, the block does not divide a table,
    or stages have different members or invalid starts.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        sizes: Mapping[str, int],
        seed: int,
        *,
        locality: BlockShuffle | None = None,
        block: int = BLOCK,
    ) -> None:
        _check_stages(stages, sizes, block)
        self.names = tuple(stages[0].quotas)
        self.seed = seed
        self.block = block
        self.locality = locality
        self._sizes = tuple(sizes.get(name, 0) for name in self.names)
        self._ahead: tuple[int, Draws] | None = None
        self._last: int | None = None
        self._tables = _Tables.of(stages, block)
        self._block_key = keyed_bits(seed, "mixture/block") & _BITS
        self._member_keys = tuple(keyed_bits(seed, f"mixture/epoch/{name}") & _BITS for name in self.names)

    @property
    def sizes(self) -> dict[str, int]:
        """The sampling units in an epoch of each member that is drawn."""
        return {name: size for name, size in zip(self.names, self._sizes, strict=True) if size}

    def at(self, position: int) -> Draw:
        """The draw of one position, 0 to 2**62; computes one block, 0.2 ms at any position."""
        _check_range(position, position + 1)
        block, slot = divmod(position, self.block)
        labels, ranks = self._blocks(np.array([block], dtype=np.int64))
        member, rank = int(labels[0, slot]), int(ranks[0, slot])
        size = self._sizes[member]
        epoch, place = divmod(rank, size)
        key = subkey(self._member_keys[member], epoch)
        index = local_order(place, size, key, self.locality) if self.locality else permute(place, size, key)
        return Draw(self.names[member], rank, epoch, index)

    def num_drawn(self, position: int) -> dict[str, int]:
        """How often each member is drawn before a position; computes one block, 0.5 ms at any position."""
        _check_range(0, position)
        block, slot = divmod(position, self.block)
        numbers = np.array([block], dtype=np.int64)
        in_block = np.bincount(self._blocks(numbers)[0][0, :slot], minlength=len(self.names))
        counts = self._tables.find(numbers)[1][0] + in_block
        return dict(zip(self.names, counts.tolist(), strict=True))

    def slice(self, start: int, count: int, step: int = 1) -> Draws:
        """The draws of positions start, start + step, ... (`count` of them); 0.25 us each at step 1."""
        _check_range(start, start + count * step)
        positions = np.arange(start, start + count * step, step, dtype=np.int64)
        chunk = max(_BLOCKS_AT_ONCE * self.block // step, _BLOCKS_AT_ONCE)
        parts = [self._draws(positions[i : i + chunk]) for i in range(0, max(count, 1), chunk)]
        fields = ("position", "member", "rank", "epoch", "index")
        return parts[0] if len(parts) == 1 else Draws(*(np.concatenate([getattr(p, f) for p in parts]) for f in fields))

    def batch(self, start: int, count: int) -> Draws:
        """Like `slice`, but consecutive batches are cut from a longer cached slice.

        64 positions alone take as long as a block of 1,024: 0.3 ms. Right after a seek nothing is computed ahead.
        """
        if self._ahead is not None and 0 <= start - self._ahead[0] <= _POSITIONS_AHEAD - count:
            return self._ahead[1].take(slice(start - self._ahead[0], start - self._ahead[0] + count))
        follows = self._last is not None and 0 < start - self._last < _POSITIONS_AHEAD
        self._last = start
        if not follows or count > _POSITIONS_AHEAD:
            return self.slice(start, count)
        self._ahead = start, self.slice(start, _POSITIONS_AHEAD)
        return self._ahead[1].take(slice(0, count))

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
            # Ranks never decrease along the positions, so equal epochs at both ends mean one epoch and one key.
            epochs = epoch[of_member]
            keys = subkeys(self._member_keys[number], epochs[:1] if epochs[0] == epochs[-1] else epochs)
            if self.locality:
                index[of_member] = local_order_array(places, size, keys, self.locality)
            else:
                index[of_member] = permute_array(places, size, keys)
        return Draws(positions, member, rank, epoch, index)

    def _blocks(self, numbers: Int64s) -> tuple[NDArray[np.int16], Int64s]:
        """Labels and ranks of whole blocks, each of shape (blocks, block), in stream order."""
        rows, before = self._tables.find(numbers)
        keys = subkeys(self._block_key, numbers)[:, None]
        slots = np.broadcast_to(np.arange(self.block, dtype=np.int64), (len(numbers), self.block))
        order = permute_array(slots, self.block, keys)
        labels = np.take_along_axis(self._tables.labels[rows], order, axis=1)
        # A stable sort of labels lists each member's slots in stream order; a slot's place minus the start of its run
        # is its place among the block's slots of the same member.
        by_label = np.argsort(labels, axis=1, kind="stable")
        counts = self._tables.counts[rows]
        offset = before - (np.cumsum(counts, axis=1) - counts)
        ranks = np.empty(labels.shape, dtype=np.int64)
        places = np.broadcast_to(np.arange(self.block, dtype=np.int64), labels.shape)
        np.put_along_axis(ranks, by_label, places, axis=1)
        return labels, ranks + np.take_along_axis(offset, labels.astype(np.int64), axis=1)


@dataclass(frozen=True, slots=True)
class _Tables:
    """The master tables of all stages stacked, one row per block, with arrays derived from them.

    Shapes: `labels` (rows, block); `counts` and `before`, each member's occurrences in a row and in the rows above it
    in the same table, (rows, members); `starts` (a stage's first block), `first_rows` and `num_rows` (stages,);
    `quotas` and `base`, the ranks given out before a stage begins, (stages, members).
    """

    labels: NDArray[np.int16]
    counts: Int64s
    before: Int64s
    starts: Int64s
    first_rows: Int64s
    num_rows: Int64s
    quotas: Int64s
    base: Int64s

    @classmethod
    def of(cls, stages: Sequence[Stage], block: int) -> "_Tables":
        quotas = [list(stage.quotas.values()) for stage in stages]
        labels, counts, before = zip(*(_table_rows(tuple(of_stage), block) for of_stage in quotas), strict=True)
        num_rows = np.array([len(table) for table in labels], dtype=np.int64)
        tables = cls(
            labels=np.concatenate(labels),
            counts=np.concatenate(counts),
            before=np.concatenate(before),
            starts=np.array([stage.start // block for stage in stages], dtype=np.int64),
            first_rows=np.cumsum(num_rows) - num_rows,
            num_rows=num_rows,
            quotas=np.array(quotas, dtype=np.int64),
            base=np.zeros((len(stages), len(quotas[0])), dtype=np.int64),
        )
        for later in range(1, len(stages)):
            tables.base[later] = tables.ranks_before(later - 1, tables.starts[later : later + 1])[1]
        return tables

    def find(self, numbers: Int64s) -> tuple[Int64s, Int64s]:
        """The row of each block, and the ranks given out before it: shapes (blocks,) and (blocks, members)."""
        return self.ranks_before(np.searchsorted(self.starts, numbers, side="right") - 1, numbers)

    def ranks_before(self, stages: Int64s | int, numbers: Int64s) -> tuple[Int64s, Int64s]:
        """The ranks given out before blocks, which belong to the given stages."""
        cycles, rows = np.divmod(numbers - self.starts[stages], self.num_rows[stages])
        rows += self.first_rows[stages]
        return rows, self.base[stages] + cycles[:, None] * self.quotas[stages] + self.before[rows]


# A table takes 17 ms. Up to 64 distinct stages are cached per process: a stage with earlier weights, or another
# schedule of the same mixture, is free.
@lru_cache(maxsize=64)  # 0.2 MB each for 26 members
def _table_rows(quotas: tuple[int, ...], block: int) -> tuple[NDArray[np.int16], Int64s, Int64s]:
    """`labels`, `counts` and `before` of one stage, as in `_Tables`; read-only."""
    labels = master_table(list(quotas)).reshape(-1, block)
    counts = np.stack([np.bincount(row, minlength=len(quotas)) for row in labels])
    before = np.cumsum(counts, axis=0) - counts
    for kept in (labels, counts, before):
        kept.setflags(write=False)
    return labels, counts, before


def _check_stages(stages: Sequence[Stage], sizes: Mapping[str, int], block: int) -> None:
    if not stages or stages[0].start != 0:
        raise ValueError("the first stage must start at position 0")
    names = tuple(stages[0].quotas)
    if len(names) > 2**15:
        raise ValueError(f"{len(names)} members are more than the 32768 that a label can number")
    for before, stage in zip((None, *stages), stages, strict=False):
        total = sum(stage.quotas.values())
        if block < 1 or total < 1 or total % block or min(stage.quotas.values()) < 0:
            raise ValueError(f"a table of {total} slots cannot be cut into blocks of {block}")
        if tuple(stage.quotas) != names:
            raise ValueError(f"the stage at {stage.start} has other members, or another order of them, than the first")
        if before and (stage.start % block or stage.start <= before.start):
            raise ValueError(f"a stage cannot start at {stage.start}: starts rise in multiples of {block}")
        empty = [name for name, quota in stage.quotas.items() if quota and sizes.get(name, 0) < 1]
        if empty:
            raise ValueError(f"members without annotations: {', '.join(empty)}")


def _check_range(start: int, end: int) -> None:
    if not 0 <= start <= end <= MAX_POSITION:
        raise ValueError(f"positions {start} to {end} are outside 0 to 2**62")
