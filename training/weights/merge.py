"""BLIP-2 of stage 2 and the text weights of stage 1 become an InstructBLIP start folder.

Stage 2 has no word embeddings, position embeddings and text FFN; the authors took them from stage 1 (LAVIS issue 344).
"""

import re
from pathlib import Path
from typing import Any

from ib_data.training.weights.headers import fault
from ib_data.training.weights.plan import Plan
from ib_data.training.weights.sources import BERT, Source, text_source, vision_language_source
from ib_data.training.weights.start import (
    LANGUAGE,
    fill,
    part_values,
    require_free,
    start_config,
    take_language_model,
    write_start,
)
from ib_data.training.weights.tokenizer_files import language_tokenizer, qformer_tokenizer

WORDS = "qformer.embeddings.word_embeddings.weight"
POSITIONS = "qformer.embeddings.position_embeddings.weight"
# The tensors of a Q-Former that only text passes through.
TEXT = re.compile(r"qformer\.(embeddings\.(word|position)_embeddings|encoder\.layer\.\d+\.(intermediate|output))\.")


def merge(blip2: Path, text: Path, out: Path, tokenizer: Path | None = None, seed: int = 0) -> dict[str, Any]:
    """Write the start folder `out` and return its report.

    `blip2` is a BLIP-2 folder of stage 2 (an InstructBLIP folder is completed), `text` one of stage 1 (or InstructBLIP
    or BERT), `tokenizer` the Q-Former's, if `text` brings none. Rows for new tokens of the Q-Former are random by
    `seed`. Raises DataError for folders of other architectures, missing tensors, and sizes that do not agree.
    """
    require_free(out)
    base, words = vision_language_source("--blip2", blip2), text_source("--text", text)
    if not base.has_language_model:
        raise fault(blip2, "expected BLIP-2 of stage 2, found no language model", "give a stage-1 folder as --text")
    language, qformer = language_tokenizer(blip2), qformer_tokenizer(tokenizer or text)
    sizes = part_values(base.config.qformer_config)
    rows = words.tensors[text_key(words, WORDS)].shape[0]
    sizes["vocab_size"] = max(rows, len(qformer))
    sizes["max_position_embeddings"] = words.tensors[text_key(words, POSITIONS)].shape[0]
    config = start_config(
        blip2,
        vision=part_values(base.config.vision_config),
        qformer=sizes,
        language=base.config.text_config,
        tokenizer=language,
        num_query_tokens=base.config.num_query_tokens,
        dtype=base.config.dtype,
    )
    plan = Plan(seed)
    fill(plan, config, text, lambda name, shape: _place(plan, base, words, name, shape))
    return write_start(
        out,
        plan,
        config,
        language_tokenizer=language,
        qformer_tokenizer=qformer,
        language=blip2,
        about={"blip2": str(blip2), "text": str(text)},
    )


def _place(plan: Plan, base: Source, words: Source, name: str, shape: tuple[int, ...]) -> bool:
    """Put one tensor into the plan; whether a source has it."""
    if name.startswith(LANGUAGE):
        return take_language_model(plan, base, name, name, shape)
    key = name if name in base.tensors else name.replace("qformer.embeddings.layernorm.", "qformer.layernorm.")
    if key in base.tensors:
        plan.take(name, base, key, shape)
        return True
    key = text_key(words, name)
    if not TEXT.match(name) or key not in words.tensors:
        return False
    note = "of a plain BERT, not of stage 1" if words.config.model_type == BERT else ""
    plan.take(name, words, key, shape, rows="random" if name == WORDS else "", note=note)
    return True


def text_key(source: Source, name: str) -> str:
    """The name in `source` of a text tensor of the Q-Former."""
    if source.config.model_type == BERT:
        return name.removeprefix("qformer.")
    if name in (WORDS, POSITIONS) and name not in source.tensors:
        return name.removeprefix("qformer.")  # at the top level of an image-text retrieval folder
    return name
