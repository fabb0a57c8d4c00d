"""How local the reads of block shuffle are, compared with the full shuffle: python benchmarks/locality.py [--write]

A mixture of 26 members under the square-root rule, at batch 256, as a trainer would read it from remote shards. For
each order: the number of distinct blocks in 10,000 consecutive positions and in a batch, the distance in rows between
consecutive draws of a member (median, as a share of the member), and the cost of an index, computed many at a time
and as few at a time as a stream does.
"""

import statistics
import time

import numpy as np
from hardware import report

from ib_data.mixtures.order.block_shuffle import BlockShuffle
from ib_data.mixtures.order.schedule import Draws, Schedule
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.spec.weights import stage_quotas

# The 13 held-in sizes (arXiv 2305.06500) and 13 more between 2,000 and 2,000,000, evenly on a logarithmic scale.
HELD_IN = (
    566_747,
    13_873_136,
    109_765,
    443_757,
    9_009,
    17_056,
    800_000,
    443_757,
    9_009,
    17_056,
    56_681,
    23_240,
    76_643,
)
OTHERS = tuple(int(2_000 * 1_000 ** (i / 12)) for i in range(13))
BATCH, WINDOW, FIRST = 256, 10_000, 3_000_000
ORDERS = [None, *(BlockShuffle(rows, blocks) for rows in (64, 256) for blocks in (64, 512))]


def mixture() -> Mixture:
    """26 members of those sizes."""
    sizes = enumerate((*HELD_IN, *OTHERS))
    members = tuple(Member(dataset=f"set{i:02d}", split="train", size=size) for i, size in sizes)
    return Mixture(name="twenty-six", rule="sqrt", members=members)


def blocks_of(draws: Draws, block_rows: int) -> int:
    """The number of distinct blocks in the draws."""
    return len(np.unique(draws.member.astype(np.int64) << 40 | draws.index // block_rows))


def distance(draws: Draws, sizes: list[int]) -> float:
    """The median distance of consecutive draws of a member, over its size; 0.29 for independent draws."""
    shares = []
    for number, size in enumerate(sizes):
        of_member = draws.index[draws.member == number]
        shares.append(np.abs(np.diff(of_member)) / size)
    return float(np.median(np.concatenate(shares)))


def measured(order: BlockShuffle | None, block_rows: int) -> dict[str, float]:
    """The figures of one order; `block_rows` is the block size for counting reads."""
    spec = mixture()
    sizes = {member.name: member.size for member in spec.members}
    schedule = Schedule(stage_quotas(spec), sizes, 0, locality=order)
    draws = schedule.slice(FIRST, WINDOW)
    batches = [schedule.slice(FIRST + i * BATCH, BATCH) for i in range(20)]
    return {
        "distinct_blocks_in_10000_positions": blocks_of(draws, block_rows),
        "distinct_blocks_in_a_batch": round(statistics.mean(blocks_of(batch, block_rows) for batch in batches), 1),
        "median_neighbour_distance": round(distance(schedule.slice(FIRST, 10 * WINDOW), list(sizes.values())), 4),
        "microseconds_an_index": round(cost(schedule, 2**19), 2),
        "microseconds_an_index_8192_at_a_time": round(cost(schedule, 2**13), 2),
    }


def cost(schedule: Schedule, count: int) -> float:
    """CPU microseconds per position for `count` positions computed at once; the best of 20."""
    seconds = []
    for i in range(20):
        began = time.process_time()
        schedule.slice(FIRST + i * count, count)
        seconds.append(time.process_time() - began)
    return min(seconds) / count * 1e6


if __name__ == "__main__":
    found = {}
    for order in ORDERS:
        for block_rows in (64, 256) if order is None else (order.block_rows,):
            name = "full" if order is None else f"{order.window_blocks} blocks a window"
            found[f"{name}, blocks of {block_rows} rows"] = measured(order, block_rows)
    report("locality", {"members": 26, "batch": BATCH, "positions": WINDOW, "orders": found})
