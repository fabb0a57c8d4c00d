"""Rows of token ids to rectangular tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor


def right_padded(rows: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Tensor]:
    """Rows as int64 (B, longest), filled on the right, and their mask of ones and zeros."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows], dtype=torch.int64, device="cpu")
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], dtype=torch.int64, device="cpu")
    return ids, mask


def left_padded(rows: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Tensor]:
    """Rows as int64 (B, longest), filled on the left as generation needs it, and their mask of ones and zeros."""
    ids, mask = right_padded([row[::-1] for row in rows], fill)
    return ids.flip(1), mask.flip(1)
