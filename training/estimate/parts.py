"""The parts of a model on the meta device: their parameters, and the matrices that a token passes through.

Nothing is loaded and no memory is taken: a model of 8 billion parameters takes 0.4 s.
"""

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import InstructBlipForConditionalGeneration
from transformers.pytorch_utils import Conv1D

from ib_data.training.model.parts import PARTS, freeze, has_own_head

# Keys and values of attention to the encoder's output: made from the encoder's tokens, not the decoder's.
_CROSS_INPUT = re.compile(
    r"(EncDecAttention|encoder_attn|crossattention|cross_attn)\.(attention\.)?(k|v|key|value)(_proj)?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrices:
    """The linear layers of one stack of blocks.

    `weights`: entries of the matrices that each of the stack's own tokens passes through, `outputs`: numbers that they
    give a token; `cross_weights` and `cross_outputs`: the same of keys and values made from another stack's tokens.
    """

    weights: int
    outputs: int
    cross_weights: int
    cross_outputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Sizes of a model: parameters by part, how many of them train, and the language model's stacks.

    `encoder` is None for a causal language model; `head` counts the entries of the matrix to the vocabulary.
    """

    config: Any  # an InstructBlipConfig, whose parts transformers types as optional
    parameters: dict[str, int]
    trained: dict[str, int]
    encoder: Matrices | None
    decoder: Matrices
    head: int

    @property
    def num_trained(self) -> int:
        """The parameters that training changes."""
        return sum(self.trained.values())

    @property
    def num_frozen(self) -> int:
        """All other parameters."""
        return sum(self.parameters.values()) - self.num_trained


def parts_of(config: Any, *, instruction_aware: bool = True) -> Parts:
    """The sizes of a model with this InstructBlipConfig, frozen for training."""
    with torch.device("meta"):
        model = InstructBlipForConditionalGeneration(config)
        language: Any = model.language_model
        if has_own_head(config.text_config):
            language.lm_head.weight = nn.Parameter(torch.empty_like(language.lm_head.weight))
    freeze(model, instruction_aware=instruction_aware)
    causal = config.use_decoder_only_language_model
    return Parts(
        config=config,
        parameters={part: _count(model, part) for part in PARTS},
        trained={part: count for part in PARTS if (count := _count(model, part, only_trained=True))},
        encoder=None if causal else _matrices(language.get_encoder()),
        decoder=_matrices(language.base_model if causal else language.get_decoder()),
        head=language.get_output_embeddings().weight.numel(),
    )


def _count(model: nn.Module, part: str, *, only_trained: bool = False) -> int:
    found = (p for name, p in model.named_parameters() if name.split(".")[0] == part)
    return sum(p.numel() for p in found if p.requires_grad or not only_trained)


def _matrices(stack: nn.Module) -> Matrices:
    own = [0, 0]
    cross = [0, 0]
    for name, module in stack.named_modules():
        if isinstance(module, nn.Linear | Conv1D):
            to = cross if _CROSS_INPUT.search(name) else own
            # nn.Linear keeps (outputs, inputs), the Conv1D of GPT-2 (inputs, outputs).
            to[0] += module.weight.numel()
            to[1] += module.weight.shape[0] if isinstance(module, nn.Linear) else module.weight.shape[1]
    return Matrices(weights=own[0], outputs=own[1], cross_weights=cross[0], cross_outputs=cross[1])
