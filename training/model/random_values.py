"""Random values for a whole model, for tests and benchmarks."""

import math

import torch
from torch import nn
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from ib_data.keyed import keyed_bits

_TABLES = ("embed", "shared.", "query_tokens", "relative_attention_bias")


def random_model(config: InstructBlipConfig, seed: int) -> InstructBlipForConditionalGeneration:
    """A model with random values from `seed`: float32, on the CPU, nothing frozen.

    The library's initial values do not work: with zero query tokens and a vision range of 1e-10, all images look the
    same.
    """
    with torch.random.fork_rng(devices=[]):
        model = InstructBlipForConditionalGeneration(config)
    fill(model, seed)
    return model


@torch.no_grad()
def fill(model: nn.Module, seed: int) -> None:
    """Uniform values with variance 1 / fan-in, ones for norms, zeros for biases; equal on every machine.

    Uniform, not normal: a uniform float32 is the generator's integer times a power of two, while normal draws use
    logarithms whose last bit depends on the processor. With the width as fan-in the random language model reacts to
    its prompt; with the usual 0.02 it hardly does.
    """
    for name, parameter in sorted(model.named_parameters()):
        if parameter.dim() == 1:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            continue
        generator = torch.Generator("cpu").manual_seed(keyed_bits(seed, f"training.init.{name}") % 2**63)
        is_table = any(part in name for part in _TABLES)
        spread = math.sqrt(3.0 / (1 if is_table else parameter[0].numel()))
        parameter.copy_((torch.rand(parameter.shape, generator=generator) * 2 - 1) * spread * _gain(name, parameter))


def _gain(name: str, parameter: nn.Parameter) -> float:
    if "shared." in name:  # T5's table is also its head: logits of about 1
        return float(parameter.shape[-1] ** -0.5)
    return 0.5 if "embed_tokens" in name else 1.0
