"""The parts of an InstructBLIP: what trains, what is frozen, and in which precision."""

import re
from types import MethodType
from typing import Any

import torch
from torch import nn

# Q-Former, query tokens and the projection to the language model (arXiv 2305.06500, section 2.6).
TRAINED = ("qformer.", "language_projection.", "query_tokens")
FROZEN_PARTS = ("vision_model", "language_model")
_TEXT_ONLY = re.compile(
    r"qformer\.(embeddings\.(word|position)_embeddings|encoder\.layer\.\d+\.(intermediate|output))\."
)


def is_trained(name: str) -> bool:
    """Whether the parameter of this name trains."""
    return name.startswith(TRAINED)


def freeze(model: nn.Module, *, instruction_aware: bool = True) -> None:
    """Freeze everything but the trained parts, which become float32 masters.

    The frozen parts go to evaluation mode and stay there after a later `model.train()`. A Q-Former that reads no text
    never uses its text embeddings and text feed-forwards: they are frozen too, so that weight decay does not shrink
    them.
    """
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(name) and (instruction_aware or not _TEXT_ONLY.match(name)))
        if is_trained(name):
            parameter.data = parameter.data.float()
    for name in FROZEN_PARTS:
        part = getattr(model, name)
        part.eval()
        part.train = MethodType(_stay, part)


def _stay(part: nn.Module, mode: bool = True) -> nn.Module:
    return part


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a frozen model that train, by name, sorted."""
    return {name: p for name, p in sorted(model.named_parameters()) if p.requires_grad}


def frozen_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype of the frozen parts. `auto`: bfloat16 on CUDA, float32 on the CPU."""
    is_half = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.bfloat16 if is_half else torch.float32


def autocast(dtype: torch.dtype, device: torch.device) -> Any:
    """bfloat16 autocast if the frozen parts have that dtype; otherwise float32 throughout."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)
