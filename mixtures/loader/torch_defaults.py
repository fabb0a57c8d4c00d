"""PyTorch's defaults as this package needs them, whatever a training script has set."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def cpu_as_default() -> Iterator[None]:
    """Within it new tensors are on the CPU, in this thread; nothing is switched where they are anyway."""
    if torch.get_default_device().type == "cpu":  # a device that is switched costs a microsecond in each call of torch
        yield
    else:
        with torch.device("cpu"):
            yield


@contextmanager
def float32_on_cpu() -> Iterator[None]:
    """Within it new tensors are also float32: layers of a library and the state of an optimiser name no type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with cpu_as_default():
            yield
    finally:
        torch.set_default_dtype(before)
