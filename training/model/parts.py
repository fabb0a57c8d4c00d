"""The parts of an InstructBLIP: what trains, what is frozen, and in which precision."""

import re
from types import MethodType
from typing import Any

import torch
from torch import nn

PARTS = ("vision_model", "qformer", "query_tokens", "language_projection", "language_model")
# Q-Former, query tokens and the projection to the language model (arXiv 2305.06500, section 2.6).
TRAINED = ("qformer.", "language_projection.", "query_tokens")
FROZEN_PARTS = ("vision_model", "language_model")
_TEXT_EMBEDDINGS = re.compile(r"qformer\.embeddings\.(word|position)_embeddings\.")
_TEXT_FEED_FORWARD = re.compile(r"qformer\.encoder\.layer\.(\d+)\.(intermediate|output)\.")


def is_trained(name: str) -> bool:
    """Whether the parameter of this name trains."""
    return name.startswith(TRAINED)


def has_own_head(text_config: Any) -> bool:
    """Whether it is T5 1.1 or FlanT5, whose head is not the embeddings, though the library declares it tied.

    They are known by not scaling the decoder's output.
    """
    return text_config.model_type == "t5" and not getattr(text_config, "scale_decoder_outputs", True)


def freeze(model: Any, *, instruction_aware: bool = True) -> None:
    """Freeze everything but the trained parts, which become float32 masters.

    The frozen parts go to evaluation mode and stay there after a later `model.train()`. What feeds nothing is frozen
    too, or weight decay would shrink it: the text feed-forward of the Q-Former's last layer, whose output is dropped;
    and all text embeddings and feed-forwards of a Q-Former that reads no text.
    """
    num_layers = len(model.qformer.encoder.layer)
    for name, parameter in model.named_parameters():
        is_idle = _feeds_nothing(name, num_layers, instruction_aware)
        parameter.requires_grad_(is_trained(name) and not is_idle)
        if is_trained(name):
            parameter.data = parameter.data.float()
    for name in FROZEN_PARTS:
        part = getattr(model, name)
        part.eval()
        part.train = MethodType(_stay, part)


def _feeds_nothing(name: str, num_layers: int, instruction_aware: bool) -> bool:
    """Whether a parameter of the Q-Former never changes the output of the queries."""
    feed_forward = _TEXT_FEED_FORWARD.match(name)
    if instruction_aware:
        return feed_forward is not None and int(feed_forward[1]) == num_layers - 1
    return feed_forward is not None or _TEXT_EMBEDDINGS.match(name) is not None


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


def outer_layers(part: nn.Module) -> list[nn.Module]:
    """The transformer layers of a part: what is in its outermost lists of modules."""
    lists = [module for module in part.modules() if isinstance(module, nn.ModuleList) and len(module)]
    inner = {id(module) for outer in lists for module in outer.modules() if module is not outer}
    return [layer for outer in lists if id(outer) not in inner for layer in outer]
