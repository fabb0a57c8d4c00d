"""World size and rank of this process."""

import os
import re

import torch.distributed

from ib_data.errors import IbDataError, quoted

# What torchrun sets for each process that it starts.
_WORLD, _RANK = "WORLD_SIZE", "RANK"
_REMEDY = "start the script by torchrun, set or unset both, or give world and rank"


def world_and_rank(world: int | None = None, rank: int | None = None) -> tuple[int, int]:
    """The number of processes of a run, and the number (from 0) of this one.

    From the arguments, else from torch.distributed if it is initialised, else from the environment of torchrun, else
    (1, 0). Raises ValueError if only one argument is given, and IbDataError if the environment sets only one of the
    two, or an invalid value.
    """
    if (world is None) != (rank is None):
        raise ValueError(f"world and rank go together, found world {world} and rank {rank}")
    if world is not None and rank is not None:
        return world, rank
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_world_size(), torch.distributed.get_rank()
    found = {name: os.environ[name] for name in (_WORLD, _RANK) if name in os.environ}
    if not found:
        return 1, 0
    for name in (_WORLD, _RANK):
        if not re.fullmatch(r"[0-9]{1,9}", found.get(name, "")):
            what = quoted(found[name]) if name in found else "nothing"
            raise IbDataError(f"environment: {name}: expected an integer from 0, found {what}; {_REMEDY}")
    num_processes, number = int(found[_WORLD]), int(found[_RANK])
    if number >= num_processes:
        raise IbDataError(f"environment: {_RANK} {number} is not below {_WORLD} {num_processes}; {_REMEDY}")
    return num_processes, number
