"""Rows of token ids to rectangular tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor


def right_padded(rows: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Tensor]:
    """Rows as int64 (B, longest), filled on the right, and their mask of ones and zeros."""
    lengths = torch.tensor([len(row) for row in rows], device="cpu")
    width = int(lengths.max())
    ids = torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows], dtype=torch.int64, device="cpu")
    mask = torch.arange(width, device="cpu") < lengths[:, None]
    return ids, mask.long()


def left_padded(rows: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Tensor]:
    """Rows as int64 (B, longest), filled on the left as generation needs it, and their mask of ones and zeros."""
    ids, mask = right_padded([row[::-1] for row in rows], fill)
    return ids.flip(1), mask.flip(1)
