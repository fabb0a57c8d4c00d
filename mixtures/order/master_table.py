"""One cycle of a mixture's labels, as even as whole slots allow."""

import heapq

import numpy as np
from numpy.typing import NDArray


def master_table(quotas: list[int]) -> NDArray[np.int16]:
    """One cycle of labels, int16 of shape (sum of quotas,): every prefix of k is within 1 of quota * k / total.

    Item j of a member with quota q may be placed from slot floor(j * M / q) on and must be before
    ceil((j + 1) * M / q). Placing the item with the earliest deadline meets all deadlines: an even split of every slot
    among the members does, and earliest deadline first is optimal for unit jobs. Meeting the deadlines keeps the
    counts within 1.
    """
    total = sum(quotas)
    labels = np.repeat(np.arange(len(quotas)), quotas)
    items = np.concatenate([np.arange(quota, dtype=np.int64) for quota in quotas])
    quota = np.array(quotas, dtype=np.int64)[labels]
    releases = items * total // quota
    deadlines = -((items + 1) * -total // quota)
    order = np.argsort(releases, kind="stable")
    # Deadline and label in one integer: ties go to the member that comes first in the spec.
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
