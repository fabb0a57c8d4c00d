"""The processes of a run: their number, this one's rank and device, and sums over all of them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist

from ib_data.errors import IbDataError, one_line
from ib_data.mixtures.loader.ranks import world_and_rank

# How long a process waits for the others on the CPU: a download on rank 0 may take hours, and gloo notices at once that
# a process is gone. NCCL does not, and nothing between two of its sums takes long.
_WAIT, _GPU_WAIT = timedelta(days=1), timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """World size, rank and device of this process. `control` is a group on the CPU: its sums never wait for a GPU."""

    world: int
    rank: int
    device: torch.device
    control: Any = None

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints: rank 0."""
        return self.rank == 0

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes, in float64. Raises IbDataError if another process is gone."""
        if self.world == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device="cpu")
        with self.naming_lost_process():
            dist.all_reduce(total, group=self.control)
        return total.tolist()

    def gathered(self, text: str) -> list[str]:
        """The text of every process, by rank. Raises as `sums`.

        Its bytes travel as float64, eight times their size: nothing beside `sums`, and no pickle, for a few megabytes.
        """
        data = text.encode()
        own = [0.0] * self.world
        own[self.rank] = len(data)
        ends = list(accumulate(map(int, self.sums(own))))
        start, rest = ends[self.rank] - len(data), ends[-1] - ends[self.rank]
        whole = bytes(map(int, self.sums([*[0] * start, *data, *[0] * rest])))
        return [whole[first:end].decode() for first, end in zip([0, *ends], ends, strict=False)]

    @contextmanager
    def naming_lost_process(self) -> Iterator[None]:
        """In the block, the error of a broken connection becomes an IbDataError: another process has ended."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if self.world > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error)):
                raise _other_gone(error) from error
            raise

    def require_same(self, value: int, what: str, remedy: str) -> None:
        """Raise IbDataError in all processes unless all of them give the same number."""
        first = self.sums([value if self.is_main else 0])[0]
        if self.sums([abs(value - first)])[0]:
            raise IbDataError(
                f"the processes do not see the same {what} (this one {value}, the first {first:.0f}); {remedy}"
            )

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.sums([0.0])


@contextmanager
def joined_ranks(device_name: str) -> Iterator[Ranks]:
    """The processes of this run, connected to each other if torchrun started several, until the block ends.

    Raises IbDataError if they cannot connect, and for `cuda` without a device.
    """
    world, rank = world_and_rank()
    device = find_device(device_name)
    if world == 1:
        yield Ranks(world=1, rank=0, device=device)
        return
    begun = not dist.is_initialized()
    try:
        if begun:
            dist.init_process_group(
                "nccl" if device.type == "cuda" else "gloo", timeout=_GPU_WAIT if device.type == "cuda" else _WAIT
            )
        control = dist.new_group(backend="gloo", timeout=_WAIT) if device.type == "cuda" else dist.group.WORLD
    except (RuntimeError, ValueError) as error:
        remedy = "start the run by torchrun"
        raise IbDataError(f"the processes cannot connect: {one_line(str(error), 200)}; {remedy}") from error
    try:
        yield Ranks(world=world, rank=rank, device=device, control=control)
    finally:
        if begun:
            dist.destroy_process_group()


def find_device(name: str) -> torch.device:
    """The device with this name; `auto` uses CUDA if available. Raises IbDataError for `cuda` without a device.

    Under torchrun each process takes the device of its local rank.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise IbDataError("device=cuda: torch finds no CUDA device here; use device=auto")
    if not has_cuda or name == "cpu":
        return torch.device("cpu")
    number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= count:
        remedy = f"start at most {count} processes here (torchrun --nproc-per-node {count})"
        raise IbDataError(f"local process {number + 1} has no GPU of its own: torch finds {count}; {remedy}")
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def _other_gone(error: RuntimeError) -> IbDataError:
    """The error of a process whose partner is gone."""
    return IbDataError(f"another process of the run has ended; its own error says why ({one_line(str(error), 120)})")
