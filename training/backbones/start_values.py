"""Language models of the miniature's shapes, with start values that make looking up by content learnable in minutes.

Keys start equal to queries, so that equal words attract each other from the first step; outputs start as the transposed
values, so that what is looked at is copied; embeddings start wide, so that learning frequencies does not wash out their
identity.
"""

import math
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from ib_data.keyed import keyed_bits
from ib_data.training.backbones.reading import token_id

WIDTH, NUM_HEADS, MLP = 128, 4, 256
NUM_LAYERS = {"llama": 4, "t5": 3}  # of each half
_EMBEDDING_SPREAD, _LOGIT_SCALE, _FAN_SPREAD, _SHARPER = 0.5, 0.2, 0.7, 1.3
_SPECIAL = ("<pad>", "<s>", "</s>")


def language_config(family: str, num_words: int, ids: dict[str, int]) -> Any:
    """The config of a family, for a vocabulary with the ids of `<pad>`, `<s>` and `</s>`."""
    if family == "llama":
        return LlamaConfig(
            vocab_size=num_words,
            hidden_size=WIDTH,
            intermediate_size=MLP,
            num_hidden_layers=NUM_LAYERS[family],
            num_attention_heads=NUM_HEADS,
            num_key_value_heads=NUM_HEADS,
            tie_word_embeddings=True,
            pad_token_id=ids["<pad>"],
            bos_token_id=ids["<s>"],
            eos_token_id=ids["</s>"],
        )
    t5: Any = T5Config  # its own signature lacks what it accepts
    return t5(
        vocab_size=num_words,
        d_model=WIDTH,
        d_kv=WIDTH // NUM_HEADS,
        d_ff=MLP,
        num_layers=NUM_LAYERS[family],
        num_decoder_layers=NUM_LAYERS[family],
        num_heads=NUM_HEADS,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        pad_token_id=ids["<pad>"],
        eos_token_id=ids["</s>"],
        decoder_start_token_id=ids["<pad>"],
    )


def new_language(family: str, tokenizer: Tokenizer, seed: int = 0) -> Any:
    """A language model with the start values that make looking up learnable, in float32."""
    model = bare_language(family, tokenizer)
    fill_start_values(model, family, seed)
    return model.train()


def bare_language(family: str, tokenizer: Tokenizer) -> Any:
    """A language model whose values mean nothing yet."""
    ids = {name: token_id(tokenizer, name) for name in _SPECIAL}
    config = language_config(family, tokenizer.get_vocab_size(), ids)
    with torch.random.fork_rng(devices=[]):
        return LlamaForCausalLM(config) if family == "llama" else T5ForConditionalGeneration(config)


@torch.no_grad()
def fill_start_values(model: nn.Module, family: str, seed: int) -> None:
    """The start values, normal and keyed by the names of the parameters."""
    named = dict(model.named_parameters())
    for name, values in sorted(named.items()):
        generator = torch.Generator().manual_seed(keyed_bits(seed, f"backbones.{name}") % 2**63)
        if values.dim() == 1:
            values.fill_(1.0)
        elif "relative_attention_bias" in name:
            values.normal_(0.0, 1.0, generator=generator)  # without it an encoder does not know the order of words
        elif "embed" in name or "shared" in name:
            values.normal_(0.0, _EMBEDDING_SPREAD, generator=generator)
        else:
            values.normal_(0.0, _FAN_SPREAD / math.sqrt(values.shape[1]), generator=generator)
    q, k, v, o = ("q_proj", "k_proj", "v_proj", "o_proj") if family == "llama" else ("q", "k", "v", "o")
    # T5 does not divide by the root of a head's width: here both factors take its fourth root.
    scale = _SHARPER if family == "llama" else _SHARPER * (WIDTH // NUM_HEADS) ** -0.25
    for name, values in named.items():
        if name.endswith(f".{q}.weight"):
            values.mul_(scale)
            named[name.replace(f".{q}.", f".{k}.")].copy_(values)
        elif name.endswith(f".{v}.weight"):
            named[name.replace(f".{v}.", f".{o}.")].copy_(values.T)
    last = "model.norm.weight" if family == "llama" else "decoder.final_layer_norm.weight"
    # T5 divides what its tied head reads by the root of the width.
    named[last].fill_(_LOGIT_SCALE if family == "llama" else _LOGIT_SCALE * math.sqrt(WIDTH))
