"""The tokenizers and the processor of a start folder, in the files that transformers writes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ib_data.errors import one_line
from ib_data.media.clip_statistics import DEVIATION, MEAN
from ib_data.training.weights.headers import fault

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IMAGE_TOKEN = "<image>"
QFORMER_FOLDER = "qformer_tokenizer"
_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.txt", "vocab.json")


def language_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """The language model's tokenizer, with `<image>` and, if it had none, the padding token `[PAD]` (as LAVIS does).

    Text that is too long loses its beginning. Raises DataError if the folder has no fast tokenizer.
    """
    from transformers import AddedToken

    tokenizer = load_tokenizer(folder, "copy the tokenizer files of its language model into it")
    if tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.add_tokens([AddedToken(IMAGE_TOKEN, normalized=False, special=True)], special_tokens=True)
    return tokenizer


def qformer_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """The Q-Former's tokenizer in a folder or in its `qformer_tokenizer`, with `[DEC]` declared as BOS (as LAVIS).

    No text begins with it: a text still begins with `[CLS]`. Text that is too long loses its beginning. Raises
    DataError if there is no fast tokenizer.
    """
    inner = folder / QFORMER_FOLDER
    remedy = "add --qformer-tokenizer DIR with the tokenizer of google-bert/bert-base-uncased"
    tokenizer = load_tokenizer(inner if inner.is_dir() else folder, remedy)
    if tokenizer.bos_token is None:
        tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    return tokenizer


def write_tokenizers(
    folder: Path, language: "PreTrainedTokenizerBase", qformer: "PreTrainedTokenizerBase", size: int, num_queries: int
) -> None:
    """Write both tokenizers and `processor_config.json` for images of `size` pixels."""
    language.save_pretrained(folder)
    qformer.save_pretrained(folder / QFORMER_FOLDER)
    write_processor_config(folder, size, num_queries)


def write_processor_config(folder: Path, size: int, num_queries: int) -> None:
    """Write `processor_config.json` for images of `size` pixels, squashed to a square."""
    text = json.dumps(_processor(size, num_queries), indent=2, sort_keys=True)
    (folder / "processor_config.json").write_text(f"{text}\n", encoding="utf-8")


def _processor(size: int, num_queries: int) -> dict[str, Any]:
    """What `InstructBlipProcessor.save_pretrained` writes, which needs torchvision."""
    image_processor = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(MEAN),
        "image_processor_type": "BlipImageProcessor",
        "image_std": list(DEVIATION),
        "resample": 3,  # bicubic
        "rescale_factor": 1 / 255,
        "size": {"height": size, "width": size},
    }
    return {
        "image_processor": image_processor,
        "num_query_tokens": num_queries,
        "processor_class": "InstructBlipProcessor",
    }


def load_tokenizer(folder: Path, remedy: str, **names: str) -> "PreTrainedTokenizerBase":
    """The fast tokenizer in a folder, which cuts text at its beginning; `names` are special tokens in place of its own.

    Raises DataError, ending in `remedy`, if it cannot be used.
    """
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in _FILES):
        raise fault(folder, f"expected a tokenizer ({', '.join(_FILES)}), found none", remedy)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, truncation_side="left", **names)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        raise fault(folder, f"the tokenizer cannot be loaded: {one_line(str(error), 200)}", remedy) from error
    if not tokenizer.is_fast:
        raise fault(folder, "expected a fast tokenizer (tokenizer.json), found a slow one", remedy)
    loaded: PreTrainedTokenizerBase = tokenizer
    return loaded
