"""The arithmetic of one training step: learning rate, loss, optimiser."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from transformers import InstructBlipForConditionalGeneration

from ib_data.training.collator import IGNORED, Batch
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.model import image_features, language_inputs, soft_prompt

WARMUP_START = 1e-8  # section 2.6 of the paper


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """The learning rate of `step` (from 0): linear from 1e-8 to the peak, then a cosine to 0 after the last."""
    if step < config.warmup_steps:
        return WARMUP_START + (config.learning_rate - WARMUP_START) * step / config.warmup_steps
    done = (step - config.warmup_steps) / (config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def adamw(parameters: Mapping[str, nn.Parameter], config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over the trained parameters, without decay on biases and other 1-D parameters (paper, section 2.6)."""
    decayed = [p for p in parameters.values() if p.dim() > 1]
    others = [p for p in parameters.values() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)


def batch_logits(model: InstructBlipForConditionalGeneration, batch: Batch, first: int = 0) -> Tensor:
    """Logits (B, L - first, V) of the positions from `first`; each unique image is encoded once."""
    features = image_features(model, batch.pixel_values)[batch.image_index]
    prompt = soft_prompt(model, features, batch.qformer_input_ids, batch.qformer_attention_mask)
    embeddings = language_inputs(model, prompt, batch.input_ids)
    logits: Tensor = model.language_model(
        inputs_embeds=embeddings,
        attention_mask=batch.attention_mask,
        logits_to_keep=batch.input_ids.shape[1] - first,
        use_cache=False,
    ).logits
    return logits


def batch_loss(model: InstructBlipForConditionalGeneration, batch: Batch) -> Tensor:
    """The mean negative log-likelihood over all target tokens of the batch, float32 scalar.

    Vocabulary logits are computed only from the first position that predicts a target token in any row.
    """
    first = int((batch.labels != IGNORED).any(dim=0).int().argmax()) - 1
    logits = batch_logits(model, batch, first)[:, :-1].float()
    return nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.labels[:, first + 1 :].flatten(), ignore_index=IGNORED
    )


def non_finite(model: nn.Module, loss: Tensor) -> str | None:
    """Which of loss and gradients is not finite, in words, or None if all are.

    Uses the largest absolute gradient, not the norm: squares of finite float32 values may be infinite.
    """
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    largest = nn.utils.get_total_norm(gradients.values(), norm_type=math.inf)
    values = torch.stack([loss.detach().float(), largest.float()]).tolist()  # synchronises with the device once
    if not math.isfinite(values[0]):
        return f"the loss is {values[0]}"
    if not math.isfinite(values[1]):
        name = next(name for name, gradient in gradients.items() if not bool(gradient.isfinite().all()))
        return f"the loss is {values[0]:.4f}, the gradient of {name} is not finite"
    return None


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 for matrix products on CUDA; float32 throughout on the CPU."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
