"""Build a start folder for `blip2-captions` from a language model and a vision encoder: the Q-Former is new."""

import re
from pathlib import Path
from typing import Any

from ib_data.errors import IbDataError
from ib_data.training.weights.headers import fault
from ib_data.training.weights.merge import POSITIONS, WORDS, text_key
from ib_data.training.weights.plan import Plan
from ib_data.training.weights.sources import BERT, Source, language_source, text_source, vision_language_source
from ib_data.training.weights.start import (
    LANGUAGE,
    fill,
    part_values,
    require_free,
    start_config,
    take_language_model,
    write_start,
)
from ib_data.training.weights.tokenizer_files import QFORMER_FOLDER, language_tokenizer, qformer_tokenizer

NUM_QUERY_TOKENS = 32
_QUERY_FFN = re.compile(r"\.(intermediate|output)_query\.")


def new(
    language: Path,
    vision: Path,
    out: Path,
    *,
    qformer: Path | None = None,
    tokenizer: Path | None = None,
    num_query_tokens: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Write the start folder `out` and return its report.

    `vision` is a BLIP-2 or an InstructBLIP folder whose vision encoder is taken. `qformer` is a BERT (its text and
    self-attention weights; the query FFN starts as a copy of the text FFN, as in BLIP-2), or stage 1 of BLIP-2 or
    InstructBLIP (the whole Q-Former and its queries, whose number is theirs); without it, the Q-Former has the sizes of
    the vision folder's and random values by `seed`. `tokenizer` is the Q-Former's, if no folder brings one. Raises
    DataError for folders of other architectures, missing tensors, and sizes that do not agree.
    """
    require_free(out)
    words, eyes = language_source("--language", language), vision_language_source("--vision", vision)
    former = text_source("--qformer", qformer) if qformer else None
    language_tokens = language_tokenizer(language)
    word_pieces = qformer_tokenizer(tokenizer or qformer or _with_word_pieces(vision, eyes))
    config = start_config(
        language,
        vision=part_values(eyes.config.vision_config),
        qformer=_sizes(former, eyes, len(word_pieces)),
        language=words.config,
        tokenizer=language_tokens,
        num_query_tokens=_num_queries(former, num_query_tokens),
        dtype=words.config.dtype,
    )
    plan = Plan(seed)
    fill(plan, config, language, lambda name, shape: _place(plan, words, eyes, former, name, shape))
    about = {"language": str(language), "vision": str(vision), "qformer": str(qformer or "")}
    return write_start(
        out,
        plan,
        config,
        language_tokenizer=language_tokens,
        qformer_tokenizer=word_pieces,
        language=language,
        about=about,
    )


def _with_word_pieces(vision: Path, eyes: Source) -> Path:
    """The vision folder if it has the Q-Former's tokenizer: apart, or in its root if it has no language model."""
    if eyes.has_language_model and not (vision / QFORMER_FOLDER).is_dir():
        remedy = "add --qformer-tokenizer DIR with the tokenizer of google-bert/bert-base-uncased"
        raise fault(vision, f"expected a tokenizer of the Q-Former ({QFORMER_FOLDER}), found none", remedy)
    return vision


def _sizes(former: Source | None, eyes: Source, num_words: int) -> dict[str, Any]:
    """The Q-Former's configuration: of its source, otherwise of the vision folder, with room for all words."""
    if former is None:
        sizes = part_values(eyes.config.qformer_config)
        return {**sizes, "vocab_size": num_words}
    if former.config.model_type != BERT:
        sizes = part_values(former.config.qformer_config)
    else:
        names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act")
        sizes = {name: getattr(former.config, name) for name in (*names, "layer_norm_eps")}
    rows = former.tensors[text_key(former, WORDS)].shape[0]
    positions = former.tensors[text_key(former, POSITIONS)].shape[0]
    return {**sizes, "vocab_size": max(rows, num_words), "max_position_embeddings": positions}


def _num_queries(former: Source | None, asked: int | None) -> int:
    """The number of query tokens: the source's own if it has any, which another number contradicts."""
    if former is None or "query_tokens" not in former.tensors:
        return asked or NUM_QUERY_TOKENS
    found = former.tensors["query_tokens"].shape[1]
    if asked not in (None, found):
        problem = f"--num-query-tokens is {asked}, but the Q-Former of {former.path} has {found} query tokens"
        raise IbDataError(f"{problem}; leave the option out")
    return found


def _place(plan: Plan, words: Source, eyes: Source, former: Source | None, name: str, shape: tuple[int, ...]) -> bool:
    """Put one tensor into the plan; whether a source has it, which new parts always have."""
    if name.startswith(LANGUAGE):
        return take_language_model(plan, words, name.removeprefix(LANGUAGE), name, shape)
    if name.startswith("vision_model."):
        if name in eyes.tensors:
            plan.take(name, eyes, name, shape)
        return name in eyes.tensors
    key = _former_key(former, name) if former else ""
    if former and key in former.tensors and not name.startswith("language_projection."):
        note = "a copy of the text FFN" if _QUERY_FFN.search(name) and not _QUERY_FFN.search(key) else ""
        plan.take(name, former, key, shape, rows="random" if name == WORDS else "", note=note)
    else:
        plan.make(name, shape)
    return True


def _former_key(former: Source, name: str) -> str:
    """The name in a Q-Former's source of one of its tensors."""
    if name in former.tensors:
        return name
    if former.config.model_type != BERT:
        return text_key(former, name.replace("qformer.embeddings.layernorm.", "qformer.layernorm."))
    key = name.removeprefix("qformer.").replace("embeddings.layernorm.", "embeddings.LayerNorm.")
    return _QUERY_FFN.sub(r".\1.", key.replace(".attention.attention.", ".attention.self."))
