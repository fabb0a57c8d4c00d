"""Tiny folders with the key names of real ones: InstructBLIP, BLIP-2, image-text retrieval, BERT, language models."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    BertConfig,
    Blip2Config,
    InstructBlipConfig,
    LlamaConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
)

WORDS = ["what", "is", "this", "a", "red", "blue", "square", "circle", "?", "."]
WIDTH, QUERIES, LAYERS = 16, 4, 2
QFORMER_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LANGUAGE_SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
QFORMER_ROWS = len(QFORMER_SPECIAL) + len(WORDS)
LANGUAGE_ROWS = len(LANGUAGE_SPECIAL) + len(WORDS)
SMALL = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": LAYERS, "num_attention_heads": 2}
VISION = {**SMALL, "image_size": 28, "patch_size": 14}


def text_config(family: str, rows: int = LANGUAGE_ROWS) -> LlamaConfig | T5Config:
    """A language model's configuration: `llama`, `t5` (tied), or `flan` (as FlanT5: a head of its own, gated)."""
    if family == "llama":
        return LlamaConfig(vocab_size=rows, **SMALL, num_key_value_heads=2, bos_token_id=2, eos_token_id=3)
    gated = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False} if family == "flan" else {}
    return T5Config(vocab_size=rows, d_model=WIDTH, d_kv=8, d_ff=32, num_layers=LAYERS, num_heads=2, **gated)


def qformer_config(rows: int = QFORMER_ROWS, **more: object) -> dict[str, object]:
    return {**SMALL, "vocab_size": rows, "max_position_embeddings": 24, **more}


def instructblip_config(family: str) -> InstructBlipConfig:
    return InstructBlipConfig(
        vision_config=VISION,
        qformer_config=qformer_config(QFORMER_ROWS + 1),
        text_config=text_config(family, LANGUAGE_ROWS + 1),
        num_query_tokens=QUERIES,
        image_token_index=LANGUAGE_ROWS,
    )


def blip2_config(family: str, **qformer: object) -> Blip2Config:
    return Blip2Config(
        vision_config=VISION,
        qformer_config=qformer_config(**qformer),
        text_config=text_config(family),
        num_query_tokens=QUERIES,
        image_text_hidden_size=8,
    )


def bert_config() -> BertConfig:
    return BertConfig(vocab_size=QFORMER_ROWS, **SMALL, max_position_embeddings=24)


@torch.no_grad()
def save(model: PreTrainedModel, folder: Path, seed: int = 0) -> Path:
    """Write `model` with random values in every tensor: the library's own are zeros and ones in many."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    model.save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path, special: list[str], **names: str) -> Path:
    """A fast tokenizer of whole words."""
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=special[1]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return folder


def save_language_tokenizer(folder: Path, with_pad: bool = True) -> Path:
    pad = {"pad_token": "<pad>"} if with_pad else {}
    return save_tokenizer(folder, LANGUAGE_SPECIAL, unk_token="<unk>", bos_token="<s>", eos_token="</s>", **pad)


def save_qformer_tokenizer(folder: Path) -> Path:
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return save_tokenizer(folder, QFORMER_SPECIAL, **names)
