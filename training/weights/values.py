"""Values of tensors that no source has: rows added to an embedding, and new parts."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ib_data.keyed import keyed_bits
from ib_data.training.weights.headers import StoredTensor

if TYPE_CHECKING:
    from torch import Tensor

_SPREAD = 0.02  # the standard deviation of BERT's initial values, for the Q-Former and its queries too


def new_values(name: str, shape: Sequence[int], seed: int) -> "Tensor":
    """float32 initial values of the tensor `name`: zeros for biases, ones for norms, otherwise `random_values`.

    Query tokens are random as well. The library's zeros would make every query the same.
    """
    import torch

    if name.endswith(".bias"):
        return torch.zeros(*shape)
    if len(shape) == 1:
        return torch.ones(*shape)
    return random_values(name, shape, seed)


def describe_new(name: str, shape: Sequence[int], seed: int) -> str:
    """What `new_values` returns, in words."""
    if name.endswith(".bias"):
        return "zeros"
    return "ones" if len(shape) == 1 else f"random, standard deviation {_SPREAD}, seed {seed}"


def random_values(name: str, shape: Sequence[int], seed: int) -> "Tensor":
    """float32 random values by (seed, name), the same on every machine: uniform, standard deviation 0.02.

    Uniform, not normal: normal draws use logarithms, whose last bit depends on the processor.
    """
    import torch

    generator = torch.Generator("cpu").manual_seed(keyed_bits(seed, f"training.weights.{name}") % 2**63)
    return (torch.rand(*shape, generator=generator) * 2 - 1) * (math.sqrt(3.0) * _SPREAD)


def load(tensor: StoredTensor) -> "Tensor":
    """The values of a stored tensor, on the CPU."""
    from safetensors import safe_open

    with safe_open(tensor.file, "pt") as file:
        values: Tensor = file.get_tensor(tensor.name)
    return values


def with_mean_rows(tensor: StoredTensor, shape: Sequence[int]) -> "Tensor":
    """A stored tensor made larger along one dimension. Each new row is the mean of the stored ones.

    The new rows belong to tokens that are never read or predicted; a mean keeps their logits away from the largest.
    """
    import torch

    values = load(tensor)
    dim = grown_dim(tensor.shape, shape)
    rows = list(shape)
    rows[dim] -= tensor.shape[dim]
    mean = values.float().mean(dim=dim, keepdim=True).to(values.dtype)
    return torch.cat([values, mean.expand(rows)], dim=dim)


def with_random_rows(name: str, tensor: StoredTensor, shape: Sequence[int], seed: int) -> "Tensor":
    """A stored tensor made larger along one dimension. The new rows are `random_values` of `name`."""
    import torch

    values = load(tensor)
    dim = grown_dim(tensor.shape, shape)
    rows = list(shape)
    rows[dim] -= tensor.shape[dim]
    return torch.cat([values, random_values(name, rows, seed).to(values.dtype)], dim=dim)


def grown_dim(old: Sequence[int], new: Sequence[int]) -> int:
    """The one dimension that is larger in the shape `new`, or -1 if the shapes differ in another way."""
    changed = [dim for dim, (before, after) in enumerate(zip(old, new, strict=False)) if before != after]
    is_grown = len(old) == len(new) and len(changed) == 1 and old[changed[0]] < new[changed[0]]
    return changed[0] if is_grown else -1
