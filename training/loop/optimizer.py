"""AdamW and its learning rate (arXiv 2305.06500, section 2.6)."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ib_data.training.config.train_config import TrainConfig

WARMUP_START = 1e-8


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """The learning rate of `step` (from 0): linear from 1e-8 to the peak, then a cosine to 0 after the last."""
    if step < config.warmup_steps:
        return WARMUP_START + (config.learning_rate - WARMUP_START) * step / config.warmup_steps
    done = (step - config.warmup_steps) / (config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def adamw(parameters: Mapping[str, nn.Parameter], config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over the trained parameters, without decay on biases and other 1-D parameters."""
    decayed = [p for p in parameters.values() if p.dim() > 1]
    others = [p for p in parameters.values() if p.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    is_fused = any(p.is_cuda for p in parameters.values())
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=is_fused)
