"""Configurations of models: of the paper's four, and of a folder or a cached hub id, without loading weights."""

from collections.abc import Callable, Mapping
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from transformers import (
    InstructBlipConfig,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    PreTrainedConfig,
    T5Config,
)

from ib_data.home import Home
from ib_data.training.weights.backbones import read_backbones
from ib_data.training.weights.config_file import CONFIG, instructblip_config
from ib_data.training.weights.hub import folder_here
from ib_data.training.weights.miniature import MINIATURES

QFORMER_WORDS = 30_523  # BERT's vocabulary and [DEC]
VICUNA_WORDS = 32_001  # LLaMA's vocabulary and [PAD]


def _flant5(width: int, ffn: int, heads: int) -> T5Config:
    return T5Config(
        vocab_size=32_128,
        d_model=width,
        d_kv=64,
        d_ff=ffn,
        num_layers=24,
        num_decoder_layers=24,
        num_heads=heads,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,  # type: ignore[call-arg]  # transformers only keeps: outputs are not scaled
    )


def _vicuna(width: int, ffn: int, layers: int, heads: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VICUNA_WORDS,
        hidden_size=width,
        intermediate_size=ffn,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
    )


LANGUAGE_MODELS: Mapping[str, Callable[[], PreTrainedConfig]] = {
    "flant5-xl": lambda: _flant5(2048, 5120, 32),
    "flant5-xxl": lambda: _flant5(4096, 10_240, 64),
    "vicuna-7b": lambda: _vicuna(4096, 11_008, 32, 32),
    "vicuna-13b": lambda: _vicuna(5120, 13_824, 40, 40),
}


def named_config(name: str) -> InstructBlipConfig:
    """The configuration of one of LANGUAGE_MODELS with ViT-g/14 (39 blocks, 224 pixels) and the Q-Former."""
    return InstructBlipConfig(
        vision_config=InstructBlipVisionConfig(),  # the library's defaults are ViT-g/14
        qformer_config=InstructBlipQFormerConfig(vocab_size=QFORMER_WORDS),
        text_config=LANGUAGE_MODELS[name](),
        num_query_tokens=32,
    )


def named_like(model: str) -> str | None:
    """Which of LANGUAGE_MODELS a model is by its name, such as `Salesforce/instructblip-flan-t5-xl`, or None."""
    name = Path(model).name.replace("flan-t5", "flant5")
    return next((known for known in LANGUAGE_MODELS if known in name), None)


def folder_of_model(model: str, home: Home) -> Path | None:
    """The folder with config.json of a model that is here, also of a hub id in the cache.

    Never asks the network, and writes nothing: of the miniature it is the one in the package.
    """
    if model in MINIATURES:
        return read_backbones().folder / MINIATURES[model]
    if folder := folder_here(model, home):
        return folder
    try:
        found = try_to_load_from_cache(model, CONFIG)
    except HFValidationError:  # a path, not a hub id
        return None
    return Path(found).parent if isinstance(found, str) else None


def config_of_model(model: str, home: Home) -> InstructBlipConfig | None:
    """The configuration of a model that is here, else of the one of LANGUAGE_MODELS that its name says, else None.

    Raises DataError for a folder whose config.json is not InstructBLIP's.
    """
    if folder := folder_of_model(model, home):
        return instructblip_config(folder)
    name = named_like(model)
    return named_config(name) if name else None
