"""The whole model run on the whole row of every candidate: what the other methods are tested against."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ib_data.training.ranking.candidates import Candidates, padded_ids
from ib_data.training.ranking.log_probs import Floats, log_probs_at


def naive_sums(
    language_model: Any, embeddings: Tensor, candidates: Candidates, start_id: int | None, end_id: int, num_rows: int
) -> Floats:
    """Log-likelihoods (1, C) of candidates after one prompt (1, L, D), `num_rows` distinct ones at a time."""
    distinct = list(dict.fromkeys(map(tuple, candidates.ids)))  # rows of a batch may differ in their last bit
    sums = np.zeros(len(distinct))
    for first in range(0, len(sums), num_rows):
        part = distinct[first : first + num_rows]
        ids = torch.from_numpy(padded_ids(part, end_id)).to(embeddings.device)
        prompts = embeddings.expand(len(part), -1, -1)
        if start_id is None:
            whole = torch.cat([prompts, language_model.get_input_embeddings()(ids)], dim=1)
            logits = language_model(inputs_embeds=whole, use_cache=False).logits[:, embeddings.shape[1] - 1 :]
        else:
            started = torch.cat([torch.full_like(ids[:, :1], start_id), ids], dim=1)
            mask = torch.ones(prompts.shape[:2], dtype=torch.int64, device=prompts.device)
            given = {"inputs_embeds": prompts, "attention_mask": mask, "decoder_input_ids": started}
            logits = language_model(**given, use_cache=False).logits
        for row, sequence in enumerate(part):
            tokens = np.array([*sequence, end_id], np.int64)
            sums[first + row] = log_probs_at(logits[row], np.arange(len(tokens)), tokens).sum()
    places = {ids: place for place, ids in enumerate(distinct)}
    return sums[None, [places[tuple(ids)] for ids in candidates.ids]]
