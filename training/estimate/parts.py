"""The parts of a model on the meta device: their parameters, and the matrices that a token passes through.

Nothing is loaded and no memory is taken: a model of 8 billion parameters takes 0.4 s.
"""

import re
from dataclasses import dataclass

import torch
from torch import nn
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration
from transformers.pytorch_utils import Conv1D

# Keys and values of attention to the encoder's output: made from the encoder's tokens, not the decoder's.
_CROSS_INPUT = re.compile(
    r"(EncDecAttention|encoder_attn|crossattention|cross_attn)\.(attention\.)?(k|v|key|value)(_proj)?$"
)
TRAINED = ("qformer", "query_tokens", "language_projection")


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
    """Sizes of a model: parameters by part, the language model's stacks, and its configuration.

    `encoder` is None for a causal language model; `head` counts the entries of the matrix to the vocabulary.
    """

    config: InstructBlipConfig
    parameters: dict[str, int]
    encoder: Matrices | None
    decoder: Matrices
    head: int

    @property
    def num_trained(self) -> int:
        """The parameters that training changes."""
        return sum(count for part, count in self.parameters.items() if part in TRAINED)

    @property
    def num_frozen(self) -> int:
        """The parameters of the vision encoder and the language model."""
        return sum(self.parameters.values()) - self.num_trained


def parts_of(config: InstructBlipConfig) -> Parts:
    """The sizes of a model with this configuration."""
    with torch.device("meta"):
        model = InstructBlipForConditionalGeneration(config)
    parameters = {
        "vision_model": _count(model.vision_model),
        "qformer": _count(model.qformer),
        "query_tokens": model.query_tokens.numel(),
        "language_projection": _count(model.language_projection),
        "language_model": _count(model.language_model),
    }
    language = model.language_model
    head = language.get_output_embeddings().weight.numel()
    if config.use_decoder_only_language_model:
        return Parts(
            config=config, parameters=parameters, encoder=None, decoder=_matrices(language.base_model), head=head
        )
    return Parts(
        config=config,
        parameters=parameters,
        encoder=_matrices(language.get_encoder()),
        decoder=_matrices(language.get_decoder()),
        head=head,
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


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
