"""The best candidate alone, by best-first search of the tree; exact, since a sum only falls as tokens are added."""

import numpy as np

from ib_data.training.ranking.log_probs import Floats
from ib_data.training.ranking.prompt import ReadPrompts
from ib_data.training.ranking.tree import Tree
from ib_data.training.ranking.tree_pass import first_log_probs, node_log_probs

# Nodes read in the first pass, and by how much more in each further one: few if the model is sure, and few passes if it
# is not. Only nodes that may still lead to the best are read.
_FIRST_NODES = 16
_GROWTH = 2


def best_sums(read: ReadPrompts, tree: Tree, end_id: int, num_nodes: int) -> Floats:
    """Log-likelihoods (1, C) after one prompt: of the best candidate and its equals; -inf for the others.

    Up to `num_nodes` are read at a time, besides what is above them.
    """
    sums = np.full(len(tree), -np.inf)  # of the tokens up to a node
    whole = np.full(len(tree), -np.inf)  # of those and the end token, where a candidate ends
    is_end = np.zeros(len(tree), bool)
    is_end[tree.last] = True
    open_nodes, gains = first_log_probs(read, tree)
    sums[open_nodes] = gains[0]
    best, count = -np.inf, _FIRST_NODES
    while len(open_nodes := open_nodes[sums[open_nodes] >= best]):  # equal: of a tie, the lower index wins
        order = open_nodes[np.argsort(-sums[open_nodes], kind="stable")]
        nodes, rest = np.sort(order[: min(count, num_nodes)]), order[min(count, num_nodes) :]
        found = node_log_probs(read, tree, nodes, end_id)
        sums[found.children] = sums[tree.parents[found.children]] + found.gains[0]
        ended = is_end[nodes]
        whole[nodes[ended]] = sums[nodes[ended]] + found.ends[0, ended]
        best = whole.max()
        open_nodes = np.concatenate([rest, found.children])
        count *= _GROWTH
    candidates = whole[tree.last]
    return np.where(candidates == best, candidates, -np.inf)[None]
