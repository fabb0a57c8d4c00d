"""Sets the PyTorch defaults that this package needs, whatever a training script has set."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def cpu_as_default() -> Iterator[None]:
    """In the block, new tensors of this thread are on the CPU; does nothing if that is the default."""
    if torch.get_default_device().type == "cpu":  # switching the device costs a microsecond in each torch call
        yield
    else:
        with torch.device("cpu"):
            yield


@contextmanager
def float32_on_cpu() -> Iterator[None]:
    """In the block, new tensors are also float32: library layers and optimiser state do not name a type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with cpu_as_default():
            yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """In the block, torch computes with one thread: the order of its sums, and so their last bits, depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
