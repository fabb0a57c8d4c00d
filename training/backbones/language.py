"""Makes the miniature's language models, and loads them."""

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from ib_data.training.backbones.lessons import STAGES, Lesson, Stage, train
from ib_data.training.backbones.reading import Reader
from ib_data.training.backbones.recitals import recited_texts
from ib_data.training.backbones.scores import accuracy_by_kind, losses_by_dataset, naming
from ib_data.training.backbones.start_values import bare_language, new_language
from ib_data.training.backbones.texts import NUM_SCENES, Item, corpus, unseen
from ib_data.training.backbones.vocabulary import LANGUAGE_FOLDERS, save_tokenizers, tokenizers_of, vocabulary_texts

PREFIX = "language_model."
_VOCABULARY_ITEMS = 20_000  # have all words
NUM_UNSEEN, _MOST_OF_KIND = 120, 100  # scenes for scores; items of each kind


def make(
    out: Path,
    family: str,
    *,
    num_scenes: int = NUM_SCENES,
    stages: Sequence[Stage] | None = None,
    num_unseen: int = NUM_UNSEEN,
) -> dict[str, Any]:
    """Train the language model of `family` and write it as `FAMILY.safetensors`, with all tokenizers, to `out`.

    Returns its report: accuracies by kind of exercise behind held-in templates and behind zero-shot prompts, losses of
    the targets by dataset, the share of shapes that captions name, and CPU seconds. The files are byte-identical when
    made again on one machine with one thread.
    """
    start = time.process_time()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    items = corpus(num_scenes)
    tokenizers = tokenizers_of(vocabulary_texts(items[:_VOCABULARY_ITEMS], recited_texts()))
    save_tokenizers(out, tokenizers)
    tokenizer = tokenizers[LANGUAGE_FOLDERS[family]].backend_tokenizer
    lesson = lesson_of(new_language(family, tokenizer), family, tokenizer, items)
    texts_s = time.process_time() - start
    train_s = train(lesson, STAGES[family] if stages is None else stages)
    save_language(lesson.model, out / f"{family}.safetensors")
    # What is frozen is what was written.
    frozen = load_language(out / f"{family}.safetensors", family, tokenizer)
    report = scores(lesson_of(frozen, family, tokenizer, items), num_unseen)
    return {
        **report,
        "parameters": sum(values.numel() for values in frozen.parameters()),
        "texts_cpu_s": round(texts_s, 1),
        "train_cpu_s": round(train_s, 1),
        "cpu_s": round(time.process_time() - start, 1),
    }


def lesson_of(model: Any, family: str, tokenizer: Tokenizer, items: Sequence[Item]) -> Lesson:
    """A lesson over `items`."""
    by_kind: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_kind[item.kind].append(item)
    return Lesson(model, family, Reader(tokenizer, is_causal=family == "llama"), by_kind)


def scores(lesson: Lesson, num_unseen: int) -> dict[str, Any]:
    """The accuracies and losses of a report, on scenes that no training text is about."""
    behind_templates, behind_prompts = (unseen(num_unseen, (way,)) for way in ("templates", "prompt"))
    return {
        "templates": accuracy_by_kind(lesson, behind_templates, _MOST_OF_KIND),
        "prompts": accuracy_by_kind(lesson, behind_prompts, _MOST_OF_KIND),
        "losses": losses_by_dataset(lesson, behind_templates, _MOST_OF_KIND),
        "naming": naming(lesson, behind_prompts),
    }


def save_language(model: Any, path: Path) -> None:
    """Write the values as float16, with the names of InstructBlipForConditionalGeneration; tied tables once."""
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    named = ((name, value) for name, value in model.state_dict().items() if name not in tied)
    save_file({f"{PREFIX}{name}": value.half().contiguous() for name, value in named}, path)


def load_language(path: Path, family: str, tokenizer: Tokenizer) -> Any:
    """The frozen float32 language model of a file."""
    model = bare_language(family, tokenizer)
    values = {name.removeprefix(PREFIX): value.float() for name, value in load_file(path).items()}
    model.load_state_dict(values, strict=False)
    model.tie_weights()
    return model.eval().requires_grad_(False)
