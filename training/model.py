"""InstructBLIP from the modules of transformers: tiny random models, freezing, features and logits.

Shape letters: B annotations, U unique images, Q query tokens, T Q-Former text tokens, L language-model tokens,
P image patches + 1, D width of the language model, V its vocabulary.
"""

import hashlib
import math
from dataclasses import dataclass
from types import MethodType

import torch
from torch import Tensor, nn
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
)

from ib_data.keyed import keyed_bits
from ib_data.training.config.train_config import PATCH_PX
from ib_data.training.tokens import BOS, EOS, IMAGE, PAD, Tokens

TRAINED = ("qformer.", "language_projection.", "query_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyShape:
    """Everything that decides a tiny model, including its random values (from `seed`)."""

    seed: int
    image_px: int
    num_query_tokens: int
    language_words: int
    qformer_words: int
    max_qformer_tokens: int
    patch_px: int = PATCH_PX
    vision_width: int = 64
    qformer_width: int = 64
    language_width: int = 128
    num_layers: int = 2
    num_heads: int = 4


def tiny_model(shape: TinyShape, tokens: Tokens) -> InstructBlipForConditionalGeneration:
    """A small InstructBLIP with random values from `shape.seed`: float32, on the CPU, nothing frozen yet.

    The library's initial values do not work: with zero query tokens and a vision range of 1e-10, all images look the
    same.
    """
    config = InstructBlipConfig(
        vision_config=InstructBlipVisionConfig(
            hidden_size=shape.vision_width,
            intermediate_size=2 * shape.vision_width,
            num_hidden_layers=shape.num_layers,
            num_attention_heads=shape.num_heads,
            image_size=shape.image_px,
            patch_size=shape.patch_px,
        ),
        qformer_config=InstructBlipQFormerConfig(
            vocab_size=shape.qformer_words,
            hidden_size=shape.qformer_width,
            intermediate_size=4 * shape.qformer_width,
            num_hidden_layers=shape.num_layers,
            num_attention_heads=shape.num_heads,
            max_position_embeddings=shape.max_qformer_tokens,
            pad_token_id=tokens.qformer_id(PAD),
        ),
        text_config=LlamaConfig(
            vocab_size=shape.language_words,
            hidden_size=shape.language_width,
            intermediate_size=2 * shape.language_width,
            num_hidden_layers=shape.num_layers,
            num_attention_heads=shape.num_heads,
            num_key_value_heads=shape.num_heads,
            pad_token_id=tokens.language_id(PAD),
            bos_token_id=tokens.language_id(BOS),
            eos_token_id=tokens.language_id(EOS),
        ),
        num_query_tokens=shape.num_query_tokens,
        image_token_index=tokens.language_id(IMAGE),
    )
    with torch.random.fork_rng(devices=[]):
        model = InstructBlipForConditionalGeneration(config)
    _fill(model, shape.seed)
    return model


@torch.no_grad()
def _fill(model: nn.Module, seed: int) -> None:
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
        table = "embed" in name or name == "query_tokens"
        spread = math.sqrt(3.0 / (1 if table else parameter[0].numel()))
        parameter.copy_((torch.rand(parameter.shape, generator=generator) * 2 - 1) * spread * _gain(name))


def _gain(name: str) -> float:
    return 0.5 if "embed_tokens" in name else 1.0


def freeze(model: InstructBlipForConditionalGeneration) -> None:
    """Freeze everything but the Q-Former, the query tokens and the language projection (paper, section 2.6).

    The frozen parts go to evaluation mode and stay there after a later `model.train()`.
    """
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED))
    for part in (model.vision_model, model.language_model):
        part.eval()
        part.train = MethodType(_stay, part)


def _stay(part: nn.Module, mode: bool = True) -> nn.Module:
    return part


def to_device(model: InstructBlipForConditionalGeneration, device: torch.device) -> None:
    """Move `model`; on CUDA the frozen parts become bfloat16, trained parts stay float32 (they run under autocast)."""
    nn.Module.to(model, device)
    if device.type == "cuda":
        model.vision_model.to(torch.bfloat16)
        model.language_model.to(torch.bfloat16)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trained parameters by name, sorted."""
    return {name: p for name, p in sorted(model.named_parameters()) if p.requires_grad}


def frozen_fingerprint(model: nn.Module) -> str:
    """SHA-256, in hex, over names, shapes and float32 bytes of every frozen parameter."""
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        if not name.startswith(TRAINED):
            digest.update(f"{name}{tuple(parameter.shape)}".encode())
            digest.update(parameter.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def image_features(model: InstructBlipForConditionalGeneration, pixel_values: Tensor) -> Tensor:
    """The frozen vision encoder's features, (U, P, width), of images (U, 3, H, W); no gradient."""
    with torch.no_grad():
        features: Tensor = model.vision_model(pixel_values=pixel_values).last_hidden_state
    return features


def soft_prompt(
    model: InstructBlipForConditionalGeneration, features: Tensor, text_ids: Tensor, text_mask: Tensor
) -> Tensor:
    """The Q-Former's output for the language model, (B, Q, D), from features (B, P, width) and instructions (B, T).

    The text must be padded on the right: its positions are absolute.
    """
    queries = model.query_tokens.expand(features.shape[0], -1, -1)
    mask = torch.cat([text_mask.new_ones(queries.shape[:2]), text_mask], dim=1)
    output = model.qformer(
        input_ids=text_ids,
        attention_mask=mask,
        query_embeds=queries,
        encoder_hidden_states=features,
        encoder_attention_mask=mask.new_ones(features.shape[:2]),
    ).last_hidden_state
    projected: Tensor = model.language_projection(output[:, : queries.shape[1]])
    return projected


def language_inputs(model: InstructBlipForConditionalGeneration, prompt: Tensor, input_ids: Tensor) -> Tensor:
    """Embeddings (B, L, D) of `input_ids`, with the soft prompt in place of the image placeholders.

    Too few placeholders would silently drop part of the image, so their number is checked.
    """
    placeholders = input_ids == model.config.image_token_id
    assert bool((placeholders.sum(dim=1) == prompt.shape[1]).all()), "every row needs one placeholder per query token"
    embeddings: Tensor = model.get_input_embeddings()(input_ids)
    return embeddings.masked_scatter(placeholders.unsqueeze(-1), prompt.to(embeddings.dtype))
