"""Rankers of toy models, and log-likelihoods by brute force."""

from functools import cache

import numpy as np
import torch
from toy_answers import toy_answerer

from ib_data.evaluation.answering import Asked
from ib_data.training.generation.answerer import Answerer
from ib_data.training.model.forward import language_inputs
from ib_data.training.ranking.ranker import METHODS, Ranker

# Prefixes of one another, twice the same, one token, an unknown word, tokens shared at several depths.
LIST = (
    "red",
    "a red circle on white",
    "red circle",
    "a red square on white",
    "a",
    "red",
    "a red",
    "\u732b",
    "a green circle",
    "white on white",
)
SHARING = tuple(method for method in METHODS if method != "naive")


def require_agreement(method: str, found: np.ndarray, expected: np.ndarray, limit: float) -> None:
    """Assert that log-likelihoods (Q, C) are the expected ones, and in their order; a search has only the best."""
    for one, known in zip(found, expected, strict=True):
        if method == "best_first":
            assert one.argmax() == known.argmax()
            assert abs(one.max() - known.max()) < limit
            is_best = np.abs(known - known.max()) < limit
            assert np.isneginf(one[~is_best]).all()
        else:
            assert np.abs(one - known).max() < limit
            assert (one.argsort(kind="stable") == known.argsort(kind="stable")).all()


@cache
def double_answerer(family: str) -> Answerer:
    """The toy model as float64."""
    made = toy_answerer.__wrapped__(family)
    made.model.double()
    return made


@cache
def ranker(family: str = "llama", *, is_double: bool = False, memory_mb: int = 1024) -> Ranker:
    """A ranker of the toy model, as it is or as float64."""
    return Ranker(double_answerer(family) if is_double else toy_answerer(family), memory_mb=memory_mb)


@torch.no_grad()
def brute_force(answerer: Answerer, asked: Asked, texts: list[str]) -> np.ndarray:
    """Log-likelihoods token by token: for each one the model reads a row of its own, which ends before it."""
    prepared = answerer.prompted(asked)
    prompt = answerer.soft_prompts([prepared])
    sums = []
    for text in texts:
        target, total = answerer.rows.target(text), 0.0
        for place, token in enumerate(target):
            if answerer.loaded.is_causal:
                ids, more = [*prepared.prompt, *target[:place]], {}
            else:
                start = answerer.loaded.decoder_start_id
                ids, more = prepared.prompt, {"decoder_input_ids": torch.tensor([[start, *target[:place]]])}
            inputs = language_inputs(answerer.model, prompt, torch.tensor([ids]))
            logits = answerer.model.language_model(inputs_embeds=inputs, use_cache=False, **more).logits[0, -1]
            total += float(logits.double().log_softmax(dim=0)[token])
        sums.append(total)
    return np.array(sums)
