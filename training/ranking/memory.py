"""How much of the work is done at once, so that it fits a memory limit. Estimates, on the safe side."""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

# More nodes in one pass gain nothing, neither on a CPU nor on a GPU: each sees all of them, though few are above it.
MAX_NODES = 512
# On a CPU half as many are faster by 7 to 15 %.
_MAX_NODES_CPU = 256
# Prompts are read together, and share a pass over the tree, while both have up to so many tokens.
_TOKENS_TOGETHER = 2048
_MAX_PROMPTS = 16
_COPIES = 3  # of a large tensor at a time: logits, their exponentials, and a float32 copy; a mask with and without bias


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A limit in bytes, and the sizes of a language model that use depends on; `itemsize` of its values, in bytes.

    `kept` are the bytes that a token of a prompt takes as long as candidates are read: keys and values of all layers.
    No pass reads more than `max_nodes` of a tree.
    """

    limit: int
    vocabulary_size: int
    width: int
    num_heads: int
    itemsize: int
    kept: int
    max_nodes: int = MAX_NODES

    @classmethod
    def of(cls, language_model: Any, limit: int) -> "Memory":
        """Of a language model."""
        config = language_model.config
        layers = getattr(config, "num_decoder_layers", None) or config.num_hidden_layers
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return cls(
            limit=limit,
            vocabulary_size=language_model.get_output_embeddings().weight.shape[0],
            width=config.hidden_size,
            num_heads=config.num_attention_heads,
            itemsize=language_model.dtype.itemsize,
            kept=2 * layers * heads * size * language_model.dtype.itemsize,
            max_nodes=_MAX_NODES_CPU if language_model.device.type == "cpu" else MAX_NODES,
        )

    def after(self, num_tokens: int) -> "Memory":
        """What is left beside the keys and values of prompts of `num_tokens` in all; at least half."""
        return replace(self, limit=max(self.limit // 2, self.limit - num_tokens * self.kept))

    @property
    def _token(self) -> int:
        """Bytes that a token with logits takes: these, and activations of a layer."""
        return _COPIES * self.vocabulary_size * max(self.itemsize, 4) + 24 * self.width * self.itemsize

    def num_whole_rows(self, num_tokens: int) -> int:
        """How many rows of `num_tokens`, all with logits."""
        return max(1, self.limit // (num_tokens * self._token))

    def num_rows(self, num_read: int, num_tokens: int) -> int:
        """How many rows of `num_tokens` with logits that continue `num_read` tokens."""
        return max(1, self.limit // (num_tokens * self._token + _COPIES * 2 * num_read * self.width * self.itemsize))

    def num_nodes(self, num_prompts: int, num_read: int) -> int:
        """How many nodes of a tree after each of `num_prompts` of `num_read` tokens.

        Solves nodes * (nodes + num_read) * pair + nodes * token = limit.
        """
        pair = _COPIES * num_prompts * self.num_heads * self.itemsize
        linear = num_prompts * self._token + num_read * pair
        return max(1, min(self.max_nodes, int((sqrt(linear**2 + 4 * pair * self.limit) - linear) / (2 * pair))))

    def num_prompts(self, num_tokens: int, num_nodes: int) -> int:
        """How many prompts of up to `num_tokens` are read together, each with its tree of `num_nodes`.

        Their keys and values take half of the memory at most, unless there is one.
        """
        most = min(_TOKENS_TOGETHER // (num_tokens + num_nodes), self.limit // (2 * num_tokens * self.kept))
        return max(1, min(_MAX_PROMPTS, most))
