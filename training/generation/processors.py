"""What changes the scores of the next token: the penalty on repetitions, and sampling.

Both are ours because those of transformers let an answer depend on the rest of its batch. Given embeddings, its
penalty spares as many new tokens as a row has padding; and it draws the samples of all rows from one generator.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor, TopPLogitsWarper


class RepetitionPenalty(LogitsProcessor):
    """Divides the positive scores of tokens that a row already has by `penalty`, and multiplies the negative ones.

    The first `num_given` tokens of a row do not count: 1 in an encoder-decoder model, whose decoder begins with a
    token that is not part of the answer. The tokens of a prompt never come here, since only embeddings are given.
    """

    def __init__(self, penalty: float, num_given: int) -> None:
        self.penalty, self.num_given = penalty, num_given

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores (B, V) after the ids (B, L) of the answers so far."""
        new = input_ids[:, self.num_given :]
        old = scores.gather(1, new)
        return scores.scatter(1, new, torch.where(old < 0, old * self.penalty, old / self.penalty))


class Sampling(LogitsProcessor):
    """Adds noise, so that the highest score is a sample; each row has a generator of its own, from its seed.

    Gumbel noise makes the argmax a draw from the softmax of the scores at `temperature`, among the likeliest tokens
    that have the probability `top_p` together.
    """

    def __init__(self, temperature: float, top_p: float, seeds: Sequence[int]) -> None:
        self.temperature, self.top_p = temperature, top_p
        self.generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores (B, V) with noise; called once for every new token."""
        scores = scores.float() / self.temperature
        if self.top_p < 1:
            scores = TopPLogitsWarper(self.top_p)(input_ids, scores)
        drawn = [torch.empty(scores.shape[1], device="cpu").exponential_(generator=g) for g in self.generators]
        return scores - torch.stack(drawn).clamp_min(1e-30).log().to(scores.device)
