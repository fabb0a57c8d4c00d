"""The tokenizers of the miniature: one token for each word of the drawn world, of the templates and of all answers."""

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from ib_data.tasks import TASKS
from ib_data.templates.library import PACKAGED
from ib_data.training.backbones.slots import NOTHING
from ib_data.training.backbones.texts import Item, all_words
from ib_data.training.text.word_tokenizers import language_tokenizer, qformer_tokenizer

LANGUAGE_FOLDERS = {"llama": "llama-tokenizer", "t5": "t5-tokenizer"}
QFORMER_FOLDER = "qformer-tokenizer"


def vocabulary_texts(items: Sequence[Item], recited: Sequence[str] = ()) -> list[str]:
    """All texts that the tokenizers must know: the corpus, the templates as they are written, and `recited`."""
    templates = [template.text for task in TASKS for template in PACKAGED.load(task)]
    return list(dict.fromkeys([*all_words(items), *templates, *recited, NOTHING]))


def tokenizers_of(texts: Sequence[str]) -> dict[str, PreTrainedTokenizerFast]:
    """The tokenizers by the names of their folders: of the two language models, and of the Q-Former."""
    found = {
        folder: language_tokenizer(texts, is_causal=family == "llama") for family, folder in LANGUAGE_FOLDERS.items()
    }
    return {**found, QFORMER_FOLDER: qformer_tokenizer(texts)}


def save_tokenizers(out: Path, found: dict[str, PreTrainedTokenizerFast]) -> None:
    """Write each tokenizer's files to its folder in `out`."""
    for folder, tokenizer in found.items():
        tokenizer.save_pretrained(str(out / folder))
