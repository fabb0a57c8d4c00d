"""The captioner's map to a language model: least squares of the queries' hidden states onto the slots they should say.

Closed form, from the table of word embeddings alone: a hidden state from which words can be read linearly is mapped to
the sum of their embeddings without a training step. One Q-Former serves both families; only this map differs.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from ib_data.training.backbones.slots import slot_vectors, word_ids

EMBEDDINGS = {"llama": "language_model.model.embed_tokens.weight", "t5": "language_model.shared.weight"}
_RIDGE = 1e-3  # of the mean variance of the hidden states


def file_of(family: str) -> str:
    """The name of the file of a family's map."""
    return f"projection-{family}.safetensors"


def word_embeddings(path: Path, family: str) -> Tensor:
    """The table of word embeddings, float32 (vocabulary, width), in the file of a language model of `family`."""
    return load_file(path)[EMBEDDINGS[family]].float()


def least_squares(
    hidden: Tensor, facts: Sequence[str], embedding: Tensor, tokenizer: Tokenizer
) -> tuple[Tensor, Tensor]:
    """Weight (width of the language model, WIDTH) and bias that map `hidden` (N, WIDTH) onto the slots of N facts."""
    known = list(dict.fromkeys(facts))
    number = {fact: i for i, fact in enumerate(known)}
    slots = slot_vectors(embedding, word_ids(tokenizer, known))[[number[fact] for fact in facts]].double()
    states = hidden.double()
    mean, wanted_mean = states.mean(0), slots.mean(0)
    states, slots = states - mean, slots - wanted_mean
    gram = states.T @ states / len(states)
    gram += _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    weight = torch.linalg.solve(gram, states.T @ slots / len(states)).T
    return weight.float(), (wanted_mean - weight @ mean).float()


def unexplained(
    hidden: Tensor, facts: Sequence[str], embedding: Tensor, tokenizer: Tokenizer, weight: Tensor, bias: Tensor
) -> float:
    """Mean squared error of the mapped states over the variance of the slots of `facts`."""
    slots = slot_vectors(embedding, word_ids(tokenizer, list(facts)))
    error = (hidden @ weight.T + bias - slots).pow(2).sum()
    return float(error / (slots - slots.mean(0)).pow(2).sum())


def save_projection(path: Path, weight: Tensor, bias: Tensor) -> None:
    """Write a map as float16, with the names of InstructBlipForConditionalGeneration."""
    values = {"language_projection.weight": weight, "language_projection.bias": bias}
    save_file({name: value.half().contiguous() for name, value in values.items()}, path)
