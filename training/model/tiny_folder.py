"""Tiny model folders in transformers' own format: random values around word tokenizers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    InstructBlipConfig,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    T5Config,
)

from ib_data.training.model.quiet import quiet_transformers
from ib_data.training.model.random_values import random_model
from ib_data.training.text.word_tokenizers import language_tokenizer, qformer_tokenizer
from ib_data.training.weights.tokenizer_files import IMAGE_TOKEN, write_tokenizers

FAMILIES = ("llama", "t5")


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyShape:
    """The sizes of a tiny model. `family` is one of FAMILIES; `dropout` is the Q-Former's."""

    family: str = "llama"
    image_px: int = 64
    patch_px: int = 16
    num_query_tokens: int = 32
    vision_width: int = 64
    qformer_width: int = 64
    language_width: int = 128
    num_layers: int = 2
    num_heads: int = 4
    max_qformer_tokens: int = 128
    dropout: float = 0.1


def tiny_model(shape: TinyShape, texts: Sequence[str], seed: int) -> tuple[Any, PreTrainedTokenizerFast, Any]:
    """A random model (see `random_model`), its language and its Q-Former tokenizer, over the words of `texts`."""
    language = language_tokenizer(texts, is_causal=shape.family == "llama")
    qformer = qformer_tokenizer(texts)
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
            vocab_size=len(qformer),
            hidden_size=shape.qformer_width,
            intermediate_size=4 * shape.qformer_width,
            num_hidden_layers=shape.num_layers,
            num_attention_heads=shape.num_heads,
            max_position_embeddings=shape.max_qformer_tokens,
            pad_token_id=qformer.pad_token_id,
            hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=shape.dropout,
            encoder_hidden_size=shape.vision_width,
        ),
        text_config=_text_config(shape, language),
        num_query_tokens=shape.num_query_tokens,
        image_token_index=language.get_vocab()[IMAGE_TOKEN],
    )
    return random_model(config, seed), language, qformer


def save_folder(folder: Path, model: Any, language: PreTrainedTokenizerFast, qformer: PreTrainedTokenizerFast) -> None:
    """Write a model folder: config, safetensors, both tokenizers and the processor."""
    with quiet_transformers():
        model.save_pretrained(folder)
    config = model.config
    write_tokenizers(folder, language, qformer, config.vision_config.image_size, config.num_query_tokens)


def _text_config(shape: TinyShape, tokenizer: PreTrainedTokenizerFast) -> Any:
    width, ids = shape.language_width, {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    if shape.family == "t5":
        t5: Any = T5Config  # its own signature lacks what it accepts
        return t5(
            vocab_size=len(tokenizer),
            d_model=width,
            d_kv=width // shape.num_heads,
            d_ff=2 * width,
            num_layers=shape.num_layers,
            num_decoder_layers=shape.num_layers,
            num_heads=shape.num_heads,
            dropout_rate=shape.dropout,
            feed_forward_proj="gated-gelu",
            decoder_start_token_id=tokenizer.pad_token_id,
            **ids,
        )
    assert shape.family == "llama", shape.family
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_heads,
        bos_token_id=tokenizer.bos_token_id,
        **ids,
    )
