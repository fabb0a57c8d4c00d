"""The head that says the words of facts from the hidden states of queries; only the captioner's training has it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ib_data.training.backbones import namings
from ib_data.training.backbones.namings import GROUPS, Row
from ib_data.training.batch.padding import right_padded

_GAIN = 0.7


class WordHead(nn.Module):
    """Says the words of a fact from the hidden state of its query; only training has it."""

    def __init__(self, width: int, seed: int = 0) -> None:
        super().__init__()
        self.sizes = [len(group) for group in GROUPS]
        self.linear = nn.Linear(width, sum(self.sizes))
        draw = torch.Generator("cpu").manual_seed(seed + 1)
        with torch.no_grad():
            self.linear.weight.normal_(0.0, _GAIN / math.sqrt(width), generator=draw)
            self.linear.bias.zero_()

    def forward(self, hidden: Tensor) -> tuple[Tensor, ...]:
        """Logits of the words of each of GROUPS, (N, NUM_QUERIES, words)."""
        parts: tuple[Tensor, ...] = self.linear(hidden).split(self.sizes, dim=-1)
        return parts

    def loss(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy summed over GROUPS, the mean over facts; `wanted` is (N, NUM_QUERIES, groups)."""
        losses = [
            nn.functional.cross_entropy(logits.flatten(0, 1), wanted[..., i].flatten())
            for i, logits in enumerate(self(hidden))
        ]
        return torch.stack(losses).sum()

    def said(self, hidden: Tensor) -> Tensor:
        """The most probable words, (N, NUM_QUERIES, groups)."""
        return torch.stack([logits.argmax(-1) for logits in self(hidden)], dim=-1)


def text_tensors(rows: Sequence[Row], pad_id: int) -> tuple[Tensor | None, Tensor | None]:
    """Ids and mask of the texts of a batch, or None for both if there is no text."""
    if not any(row.ids for row in rows):
        return None, None
    return right_padded([list(row.ids) for row in rows], pad_id)


def wanted_words(rows: Sequence[Row]) -> Tensor:
    """The classes of the facts that the queries should say: int64 (N, NUM_QUERIES, groups)."""
    return torch.tensor([[namings.classes(fact) for fact in row.facts] for row in rows])
