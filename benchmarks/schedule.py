"""The cost of computing a mixture's order, checked against limits: python benchmarks/schedule.py [--write]

26 members under the square-root rule. In bulk: CPU microseconds per position, for one stage, three stages and block
shuffle. A seek: CPU milliseconds of a new schedule and its first draw, at any position, in a process that already has
the master tables of the stages. The first seek of a process computes them; it has no limit, nor does a table, which a
process computes once for all schedules of a mixture. Exits with 1 if a limit is exceeded.
"""

import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context

from hardware import report
from locality import mixture

from ib_data.mixtures.order.block_shuffle import BlockShuffle
from ib_data.mixtures.order.master_table import master_table
from ib_data.mixtures.order.schedule import Schedule
from ib_data.mixtures.spec.mixture import Mixture, StageSpec
from ib_data.mixtures.spec.weights import stage_quotas

BULK_LIMIT_US, SEEK_LIMIT_MS = 1.0, 5.0
BULK_POSITIONS, BULK_ROUNDS, SEEK_ROUNDS, PROCESSES = 2**19, 10, 20, 3
BULK_START = 3_000_000
# Both begin within the bulk.
LATER_STAGES = (StageSpec(start=3_072_000, rule="proportional"), StageSpec(start=3_276_800, rule="uniform"))
SEEKS = (3, 9, 12, 18)  # powers of ten


@dataclass(frozen=True, slots=True)
class Order:
    """A way to order the mixture, and the mixture in it."""

    name: str
    mixture: Mixture
    locality: BlockShuffle | None = None

    def schedule(self) -> Schedule:
        """A new schedule."""
        sizes = {member.name: member.size for member in self.mixture.members}
        return Schedule(stage_quotas(self.mixture), sizes, 0, locality=self.locality)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of an order, and its limit or None."""

    order: str
    what: str
    value: float
    unit: str
    limit: float | None

    @property
    def is_kept(self) -> bool:
        """Whether the figure is within its limit."""
        return self.limit is None or self.value <= self.limit

    def line(self) -> str:
        """The figure, and whether it is within the limit."""
        verdict = "" if self.limit is None else f"limit {self.limit:g}: {'kept' if self.is_kept else 'NOT KEPT'}"
        return f"{self.order:<22}{self.what:<29}{self.value:8.3f} {self.unit:<15}{verdict}".rstrip()


def median_s(action: Callable[[], object], rounds: int) -> float:
    """The median CPU seconds of some calls, without the first, which has cold caches."""
    action()
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        action()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def orders() -> list[Order]:
    """The orders that are measured."""
    plain = mixture()
    return [
        Order("1 stage", plain),
        Order("3 stages", replace(plain, stages=LATER_STAGES)),
        Order("1 stage, local order", plain, BlockShuffle()),
    ]


def bulk_us(order: Order) -> float:
    """CPU microseconds per position, many at once."""
    schedule = order.schedule()
    return median_s(lambda: schedule.slice(BULK_START, BULK_POSITIONS), BULK_ROUNDS) / BULK_POSITIONS * 1e6


def seek_ms(order: Order, position: int) -> float:
    """CPU milliseconds of a new schedule with its quotas and one draw; tables already exist."""
    return median_s(lambda: order.schedule().at(position), SEEK_ROUNDS) * 1e3


def first_seek_ms(order: Order) -> float:
    """The median CPU milliseconds of the first schedule and draw of a new process, including tables."""
    milliseconds = []
    for _ in range(PROCESSES):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            milliseconds.append(pool.submit(_seek_once_ms, order).result())
    return statistics.median(milliseconds)


def _seek_once_ms(order: Order) -> float:
    began = time.process_time()
    order.schedule().at(10 ** SEEKS[-1])
    return (time.process_time() - began) * 1e3


def table_ms() -> float:
    """CPU milliseconds of a master table, which a process computes once per distinct stage."""
    quotas = list(stage_quotas(mixture())[0].quotas.values())
    return median_s(lambda: master_table(quotas), BULK_ROUNDS) * 1e3


def measured() -> list[Figure]:
    """All figures."""
    found = []
    for order in orders():
        found.append(Figure(order.name, "in bulk", bulk_us(order), "us a position", BULK_LIMIT_US))
        for power in SEEKS:
            what = f"seek to 10^{power}, tables made"
            found.append(Figure(order.name, what, seek_ms(order, 10**power), "ms", SEEK_LIMIT_MS))
        found.append(Figure(order.name, "first seek of a process", first_seek_ms(order), "ms", None))
    return [*found, Figure("each stage", "its master table", table_ms(), "ms", None)]


if __name__ == "__main__":
    figures = measured()
    print(*(figure.line() for figure in figures), sep="\n")
    rows = [{**asdict(figure), "value": round(figure.value, 3), "kept": figure.is_kept} for figure in figures]
    report("schedule", {"members": 26, "positions_in_bulk": BULK_POSITIONS, "figures": rows})
    sys.exit(0 if all(figure.is_kept for figure in figures) else 1)
