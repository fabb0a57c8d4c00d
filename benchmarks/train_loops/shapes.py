"""Models of real and small shapes with random values, built on the device in the right precision."""

import math
from typing import Any

import torch
from torch import nn
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    T5Config,
)

from ib_data.training.model.parts import freeze

# The special tokens of `word_tokenizers.py`, which every benchmark model reads.
SPECIAL: dict[str, Any] = {"pad_token_id": 0, "eos_token_id": 3}
T5_KEYS: dict[str, Any] = {"decoder_start_token_id": 0, "tie_word_embeddings": False, **SPECIAL}
IMAGE_ID = 4
# Small models have an eighth of the blocks, so a vocabulary of an eighth would give the head too much weight.
SMALL_VOCABULARY = 1024
SHAPES = {"real": ("flant5-xl", "vicuna-7b"), "small": ("small-t5", "small-llama"), "tiny": ("tiny-t5", "tiny-llama")}


def config_of(name: str) -> InstructBlipConfig:
    """The configuration of a model.

    Real ones are ViT-g/14 without its last block, the Q-Former of BLIP-2, and FlanT5-XL or Vicuna-7B. Small ones have
    an eighth of each width and depth, tiny ones only show that everything runs.
    """
    size, family = ("real", name) if name in SHAPES["real"] else name.split("-")
    part = {"real": 1, "small": 8, "tiny": 32}[size]
    vision = InstructBlipVisionConfig(
        hidden_size=1408 // part,
        intermediate_size=6144 // part,
        num_hidden_layers=math.ceil(39 / part),
        num_attention_heads=16 if part == 1 else 4,
        image_size=224 if part <= 8 else 28,
        patch_size=14,
    )
    qformer = InstructBlipQFormerConfig(
        vocab_size=30523 if part == 1 else SMALL_VOCABULARY,
        hidden_size=768 // min(part, 8),
        intermediate_size=3072 // min(part, 8),
        num_hidden_layers=max(2, 12 // part),
        num_attention_heads=12 if part == 1 else 4,
        encoder_hidden_size=vision.hidden_size,
        pad_token_id=0,
    )
    text = _t5(part) if "t5" in family else _llama(part)
    return InstructBlipConfig(
        vision_config=vision, qformer_config=qformer, text_config=text, num_query_tokens=32, image_token_index=IMAGE_ID
    )


def _t5(part: int) -> T5Config:
    return T5Config(
        vocab_size=32128 if part == 1 else SMALL_VOCABULARY,
        d_model=2048 // part,
        d_kv=64 if part == 1 else 512 // part,
        d_ff=5120 // part,
        num_layers=math.ceil(24 / part),
        num_heads=32 if part == 1 else 4,
        feed_forward_proj="gated-gelu",
        **T5_KEYS,
    )


def _llama(part: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=32001 if part == 1 else SMALL_VOCABULARY,
        hidden_size=4096 // part,
        intermediate_size=11008 // part,
        num_hidden_layers=math.ceil(32 / part),
        num_attention_heads=32 if part == 1 else 4,
        num_key_value_heads=32 if part == 1 else 4,
        bos_token_id=2,
        **SPECIAL,
    )


def built(name: str, device: torch.device, dtype: torch.dtype) -> Any:
    """The model on `device`, frozen parts as `dtype`, trained parts float32; never on the CPU in between."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = InstructBlipForConditionalGeneration(config_of(name))
    finally:
        torch.set_default_dtype(before)
    _fill(model)
    freeze(model)
    return model


@torch.no_grad()
def _fill(model: nn.Module) -> None:
    """Values that make losses depend on the images: the library's own have zero queries and a vision range of 1e-10."""
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        else:
            bound = math.sqrt(3 / parameter.shape[-1])
            parameter.uniform_(-bound, bound)
