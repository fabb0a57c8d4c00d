"""Facts as vectors of a soft prompt: a slot is the sum of the embeddings of a fact's words.

The Q-Former has NUM_QUERIES queries, each of which can say one fact. An empty slot is the fact NOTHING.
"""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

NUM_QUERIES = 4
NOTHING = "nothing"
MAX_WORDS = 8  # of a fact; the longest, a ground, has seven
NO_WORD = 0  # the id of the padding token, which fills rows of words and adds nothing


def padded(facts: Sequence[str]) -> list[str]:
    """`facts` with NOTHING behind them up to NUM_QUERIES; the first NUM_QUERIES if there are more."""
    return [*facts, *[NOTHING] * (NUM_QUERIES - len(facts))][:NUM_QUERIES]


def word_ids(tokenizer: Tokenizer, facts: Sequence[str]) -> Tensor:
    """The ids of the words of each fact, int64 (facts, MAX_WORDS), NO_WORD behind them.

    `tokenizer` is the language model's. Raises ValueError for a fact with an unknown word or too many words.
    """
    rows = [tokenizer.encode(fact, add_special_tokens=False).ids for fact in facts]
    unknown = tokenizer.token_to_id("<unk>")
    for fact, row in zip(facts, rows, strict=True):
        if unknown in row or len(row) > MAX_WORDS:
            raise ValueError(f"fact {fact!r}: expected up to {MAX_WORDS} known words, found the ids {row}")
    return torch.tensor([row + [NO_WORD] * (MAX_WORDS - len(row)) for row in rows], dtype=torch.int64)


def slot_vectors(embedding: Tensor, words: Tensor, weights: Tensor | None = None) -> Tensor:
    """The slots (..., width) of facts given as ids (..., MAX_WORDS), from an embedding table (vocabulary, width).

    `weights` (..., MAX_WORDS), if given, multiply the vectors of the words.
    """
    flat = words.flatten(0, -2)
    known = (flat != NO_WORD).to(embedding.dtype)
    scale = known if weights is None else known * weights.flatten(0, -2)
    summed: Tensor = nn.functional.embedding_bag(flat, embedding, mode="sum", per_sample_weights=scale)
    return summed.view(*words.shape[:-1], -1)


def noisy_slots(embedding: Tensor, words: Tensor, generator: torch.Generator, noise: float) -> Tensor:
    """`slot_vectors` as an imperfect Q-Former would say them.

    Each word is weighted by N(1, `noise`), and noise with `noise` times the spread of the table is added.
    """
    weights = 1.0 + noise * torch.randn(words.shape, generator=generator)
    slots = slot_vectors(embedding, words, weights)
    spread = noise * embedding.detach().std()
    return slots + spread * torch.randn(slots.shape, generator=generator)
