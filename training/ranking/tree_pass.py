"""Nodes of a tree in one sequence: each sees the prompt, what is above it and itself, at the position of its depth."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ib_data.training.ranking.log_probs import Floats, log_probs_at
from ib_data.training.ranking.prompt import ReadPrompts
from ib_data.training.ranking.tree import Ints, Tree

# Language models whose attention takes a mask of any form and whose positions can be told, each tested. Every other
# one, attention kernels without masks, and a tree longer than a sliding window are ranked by the prefix method instead.
FAMILIES = ("llama", "opt", "gpt2", "gemma2", "mistral", "qwen2", "t5", "mt5")
_ATTENTION = ("eager", "sdpa")


def can_read_trees(language_model: Any, num_tokens: int) -> bool:
    """Whether a language model can read a tree that ends `num_tokens` after the beginning of the prompt."""
    config = language_model.config
    window = getattr(config, "sliding_window", None)
    is_whole = window is None or num_tokens <= window
    return config.model_type in FAMILIES and config._attn_implementation in _ATTENTION and is_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLogProbs:
    """What a pass says about B questions: `ends` (B, N) of the end token after each of N nodes.

    `gains` (B, K) are those of the nodes `children` (K,), all that are right below the N nodes.
    """

    ends: Floats
    children: Ints
    gains: Floats


def first_log_probs(read: ReadPrompts, tree: Tree) -> tuple[Ints, Floats]:
    """The nodes right after the prompt (K,), and their log-probabilities (B, K)."""
    nodes = np.flatnonzero(tree.parents < 0)
    return nodes, _of_each(read.logits, np.zeros_like(nodes), tree.tokens[nodes], len(read))


def node_log_probs(read: ReadPrompts, tree: Tree, nodes: Ints, end_id: int) -> NodeLogProbs:
    """Log-probabilities after sorted `nodes` (N,), which are read with all above them."""
    whole = tree.with_ancestors(nodes)
    device = read.mask.device
    own = torch.from_numpy(np.searchsorted(whole, nodes)).to(device)
    places = (torch.arange(len(read), device=device)[:, None] * len(whole) + own).flatten()
    depths = torch.from_numpy(tree.depths[whole]).to(device)
    ids = torch.from_numpy(tree.tokens[whole]).to(device).expand(len(read), -1)
    mask = _added_mask(read, torch.from_numpy(tree.sees(whole)).to(device))
    with _relative_positions(read, depths):
        logits = read.logits_after(ids, depths, mask, places)
    children, parents = tree.children(nodes)
    rows = np.concatenate([parents, np.arange(len(nodes))])
    tokens = np.concatenate([tree.tokens[children], np.full(len(nodes), end_id)])
    found = _of_each(logits, rows, tokens, len(read))
    return NodeLogProbs(gains=found[:, : len(children)], children=children, ends=found[:, len(children) :])


def _of_each(logits: Tensor, rows: Ints, tokens: Ints, num_questions: int) -> Floats:
    """Log-probabilities (B, K) of tokens (K,) in `rows` (K,) of each question's part of logits (B * N, V)."""
    firsts = np.arange(num_questions)[:, None] * (len(logits) // num_questions)
    found = log_probs_at(logits, (firsts + rows).ravel(), np.tile(tokens, num_questions))
    return found.reshape(num_questions, len(rows))


def _added_mask(read: ReadPrompts, sees: Tensor) -> Tensor:
    """What is added to attention scores (B or 1, 1, n, M + n): 0 where a node sees, the lowest number elsewhere."""
    prompts = read.mask.bool()
    if prompts.all():
        prompts = prompts[:1]
    prompts = prompts[:, None, None, :].expand(-1, 1, len(sees), -1)
    is_seen = torch.cat([prompts, sees.expand(len(prompts), 1, -1, -1)], dim=3)
    dtype = read.language_model.dtype
    zeros = torch.zeros(is_seen.shape, dtype=dtype, device=sees.device)
    return zeros.masked_fill_(~is_seen, torch.finfo(dtype).min)


@contextmanager
def _relative_positions(read: ReadPrompts, depths: Tensor) -> Iterator[None]:
    """In the block, T5's decoder takes distances between depths, not between places in the sequence."""
    if read.cross is None:
        yield
        return
    started = torch.cat([depths.new_zeros(1), depths + 1])  # the decoder's start, then the nodes
    distances = started[None, :] - started[1:, None]
    with ExitStack() as stack:
        for module in read.language_model.get_decoder().modules():
            if getattr(module, "has_relative_attention_bias", False):
                _set_bias(module, distances)
                stack.callback(delattr, module, "compute_bias")
        yield


def _set_bias(module: Any, distances: Tensor) -> None:
    """Let an attention compute its bias from distances (n, 1 + n) of keys to queries."""
    buckets = module._relative_position_bucket(
        distances,
        bidirectional=False,
        num_buckets=module.relative_attention_num_buckets,
        max_distance=module.relative_attention_max_distance,
    )
    bias = module.relative_attention_bias(buckets).permute(2, 0, 1)[None]
    assert isinstance(module, nn.Module)
    module.compute_bias = lambda *_, **__: bias  # type: ignore[assignment]
