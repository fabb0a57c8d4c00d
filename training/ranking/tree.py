"""Token sequences as a prefix tree in arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The nodes of a prefix tree, depth first: a node comes before all that continue it. All arrays are int64.

    `tokens`, `parents`, `depths` (T,): a node's token, its parent (-1: the prompt) and how many nodes are above it;
    `ends` (T,): one past the last node that continues it, so that its subtree is `range(node, ends[node])`.
    `last` (C,): the node of each candidate's last token; equal candidates have the same one. The end token is no node:
    its probability is read where that of a further token would be.
    """

    tokens: Ints
    parents: Ints
    depths: Ints
    ends: Ints
    last: Ints

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self.tokens)

    @property
    def height(self) -> int:
        """The number of tokens of the longest candidate, without the end token."""
        return int(self.depths.max()) + 1

    def children(self, nodes: Ints) -> tuple[Ints, Ints]:
        """The children of `nodes`, which must be sorted, and for each its parent's place in `nodes`."""
        places = np.searchsorted(nodes, self.parents)
        found = np.flatnonzero(nodes[np.minimum(places, len(nodes) - 1)] == self.parents)
        return found, places[found]

    def with_ancestors(self, nodes: Ints) -> Ints:
        """Sorted: the nodes and all above them."""
        found = level = np.unique(nodes)
        while len(level := np.unique(self.parents[level])) and level[-1] >= 0:
            found = np.union1d(found, level[level >= 0])
            level = level[level >= 0]
        return found

    def sees(self, nodes: Ints) -> NDArray[np.bool_]:
        """Whether each of `nodes` (rows) continues, or is, each of them (columns)."""
        rows, columns = nodes[:, None], nodes[None, :]
        return (columns <= rows) & (rows < self.ends[columns])


def build_tree(sequences: Sequence[Sequence[int]]) -> Tree:
    """The tree of one or more sequences of at least one token each."""
    tokens: list[int] = []
    parents: list[int] = []
    ends: list[int] = []
    last: dict[tuple[int, ...], int] = {}
    path: list[int] = []  # the nodes of the sequence before
    for sequence in sorted({tuple(sequence) for sequence in sequences}):
        shared = 0
        while shared < min(len(path), len(sequence)) and tokens[path[shared]] == sequence[shared]:
            shared += 1
        for node in path[shared:]:
            ends[node] = len(tokens)
        del path[shared:]
        for token in sequence[shared:]:
            parents.append(path[-1] if path else -1)
            path.append(len(tokens))
            tokens.append(token)
            ends.append(0)
        last[sequence] = path[-1]
    for node in path:
        ends[node] = len(tokens)
    depths = np.zeros(len(tokens), np.int64)
    for node, parent in enumerate(parents):
        depths[node] = depths[parent] + 1 if parent >= 0 else 0
    return Tree(
        tokens=np.array(tokens, np.int64),
        parents=np.array(parents, np.int64),
        depths=depths,
        ends=np.array(ends, np.int64),
        last=np.array([last[tuple(sequence)] for sequence in sequences], np.int64),
    )
