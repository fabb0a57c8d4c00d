"""All candidates as one tree, read in as few passes as memory allows."""

import numpy as np

from ib_data.training.ranking.log_probs import Floats
from ib_data.training.ranking.prompt import ReadPrompts
from ib_data.training.ranking.tree import Tree
from ib_data.training.ranking.tree_pass import first_log_probs, node_log_probs


def tree_sums(read: ReadPrompts, tree: Tree, end_id: int, num_nodes: int) -> Floats:
    """Log-likelihoods (B, C) of candidates after each of B prompts, `num_nodes` of the tree at a time.

    What is above the first node of a pass is read again; being depth first, that is one path.
    """
    gains = np.zeros((len(read), len(tree)))
    ends = np.zeros_like(gains)
    firsts, gains_of_firsts = first_log_probs(read, tree)
    gains[:, firsts] = gains_of_firsts
    for first in range(0, len(tree), num_nodes):
        nodes = np.arange(first, min(first + num_nodes, len(tree)))
        found = node_log_probs(read, tree, nodes, end_id)
        gains[:, found.children] = found.gains
        ends[:, nodes] = found.ends
    for depth in range(1, tree.height):
        nodes = np.flatnonzero(tree.depths == depth)
        gains[:, nodes] += gains[:, tree.parents[nodes]]
    found_sums: Floats = (gains + ends)[:, tree.last]
    return found_sums
