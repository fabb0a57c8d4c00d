"""Tiny start folders in transformers' own format, one of each family, made once a session."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from safetensors.torch import load_file, save_file
from tokenizers import processors
from toy_texts import TEXTS
from transformers import (
    Gemma2Config,
    GPT2Config,
    InstructBlipConfig,
    MistralConfig,
    MT5Config,
    OPTConfig,
    PretrainedConfig,
    Qwen2Config,
)

from ib_data.training.model.random_values import random_model
from ib_data.training.model.tiny_folder import FAMILIES, TinyShape, save_folder, tiny_model

# Causal: learned positions; those and no BOS; a cap on logits after the head; a sliding window; biases. Then another
# encoder-decoder.
OTHER_FAMILIES = ("opt", "gpt2", "gemma2", "mistral", "qwen2", "mt5")
ALL_FAMILIES = (*FAMILIES, *OTHER_FAMILIES)


def toy_folder(path: Path, family: str = "llama", seed: int = 0, **shape: Any) -> Path:
    """A complete start folder at `path`: 8 queries, images of 32 pixels, no dropout."""
    shutil.copytree(_made(family, seed, tuple(sorted(shape.items()))), path, dirs_exist_ok=True)
    return path


def untied(folder: Path) -> Path:
    """The folder in FlanT5's layout: its head is not its embeddings, which the library makes tied."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors["language_model.lm_head.weight"] = tensors["language_model.shared.weight"].flip(0) * 2
    save_file(tensors, file, metadata={"format": "pt"})
    config = (folder / "config.json").read_text()
    config = config.replace('"scale_decoder_outputs": true', '"scale_decoder_outputs": false')
    (folder / "config.json").write_text(config)
    return folder


def shared_toy_folder(family: str = "llama") -> Path:
    """One that tests only read."""
    return _made(family, 0, ())


@cache
def _made(family: str, seed: int, shape: tuple[tuple[str, Any], ...]) -> Path:
    folder = Path(mkdtemp(prefix="ib_data_toy_"))
    values = {"image_px": 32, "num_query_tokens": 8, "language_width": 64, "dropout": 0.0, **dict(shape)}
    base = family if family in FAMILIES else "t5" if family == "mt5" else "llama"
    model, language, qformer = tiny_model(TinyShape(family=base, **values), TEXTS, seed)
    if family != base:
        model = random_model(with_text_config(model.config, text_config(family, language, values)), seed)
    if family == "gpt2":
        language.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    save_folder(folder, model, language, qformer)
    return folder


def with_text_config(config: InstructBlipConfig, text: PretrainedConfig) -> InstructBlipConfig:
    """The configuration with another language model."""
    values = config.to_dict()
    kept = {name: values[name] for name in ("vision_config", "qformer_config", "num_query_tokens", "image_token_index")}
    return InstructBlipConfig(text_config=text, **kept)


def text_config(family: str, language: Any, values: dict[str, Any]) -> PretrainedConfig:
    """A tiny language model of one of OTHER_FAMILIES."""
    width, size = values["language_width"], len(language)
    ids = {name: getattr(language, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    if family == "opt":
        sizes = {"hidden_size": width, "ffn_dim": 2 * width, "word_embed_proj_dim": width}
        return OPTConfig(vocab_size=size, **sizes, num_hidden_layers=2, num_attention_heads=4, dropout=0.0, **ids)
    if family == "gpt2":
        return GPT2Config(vocab_size=size, n_embd=width, n_layer=2, n_head=4, n_positions=512, **ids)
    if family == "gemma2":
        sizes = {"hidden_size": width, "intermediate_size": 2 * width, "head_dim": 16}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "query_pre_attn_scalar": 16}
        return Gemma2Config(vocab_size=size, **sizes, **heads, num_hidden_layers=2, final_logit_softcapping=2.0, **ids)
    if family in ("mistral", "qwen2"):
        sizes = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
        made = MistralConfig if family == "mistral" else Qwen2Config
        return made(vocab_size=size, **sizes, **heads, **ids)
    assert family == "mt5", family
    sizes = {"d_model": width, "d_kv": 16, "d_ff": 2 * width, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}
    return MT5Config(vocab_size=size, **sizes, decoder_start_token_id=ids["pad_token_id"], **ids)
