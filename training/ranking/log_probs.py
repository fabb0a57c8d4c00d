"""Log-probabilities out of logits, in float32 or, of a float64 model, in float64."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ib_data.training.ranking.tree import Ints

Floats = NDArray[np.float64]
_ROWS = 32


def log_probs_at(logits: Tensor, places: Ints, tokens: Ints) -> Floats:
    """Log-probabilities (K,) in nats: of `tokens` (K,) by the rows of logits (S, V) at `places` (K,)."""
    exact = logits if logits.dtype == torch.float64 else logits.float()
    # In parts that stay in the cache of a processor.
    parts = [exact[first : first + _ROWS].logsumexp(dim=-1) for first in range(0, len(exact), _ROWS)]
    norms = torch.cat(parts)
    rows = torch.from_numpy(places).to(logits.device)
    columns = torch.from_numpy(tokens).to(logits.device)
    found: Floats = (exact[rows, columns] - norms[rows]).double().cpu().numpy()
    return found
