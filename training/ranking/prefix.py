"""The prompt read once; every candidate continues it in a row of its own."""

import numpy as np
import torch

from ib_data.training.ranking.candidates import Candidates, padded_ids
from ib_data.training.ranking.log_probs import Floats, log_probs_at
from ib_data.training.ranking.prompt import ReadPrompts


def prefix_sums(read: ReadPrompts, candidates: Candidates, end_id: int, num_rows: int) -> Floats:
    """Log-likelihoods (1, C) of candidates after one prompt, `num_rows` distinct ones at a time."""
    by_length = sorted({tuple(ids) for ids in candidates.ids}, key=lambda ids: (len(ids), ids))
    starts = np.array([ids[0] for ids in by_length], np.int64)
    sums = log_probs_at(read.logits, np.zeros_like(starts), starts)
    for first in range(0, len(by_length), num_rows):
        part = by_length[first : first + num_rows]
        sums[first : first + len(part)] += _rest(read, part, end_id)
    places = {ids: place for place, ids in enumerate(by_length)}
    return sums[None, [places[tuple(ids)] for ids in candidates.ids]]


def _rest(read: ReadPrompts, part: list[tuple[int, ...]], end_id: int) -> Floats:
    """Log-likelihoods (R,) of what follows the first tokens of R candidates."""
    ids = padded_ids(part, end_id)
    rows, columns = np.nonzero(np.arange(ids.shape[1]) < np.array([len(one) for one in part])[:, None])
    device = read.mask.device
    mask = torch.cat([read.mask.expand(len(part), -1), torch.ones(ids.shape, dtype=torch.int64, device=device)], dim=1)
    logits = read.expanded(len(part)).logits_after(
        torch.from_numpy(ids).to(device),
        torch.arange(ids.shape[1], device=device),
        mask,
        torch.from_numpy(rows * ids.shape[1] + columns).to(device),
    )
    following = np.array([token for one in part for token in (*one[1:], end_id)], np.int64)
    gains = log_probs_at(logits, np.arange(len(following)), following)
    return np.bincount(rows, weights=gains, minlength=len(part)).astype(np.float64)
