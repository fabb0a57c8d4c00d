"""The miniature's start: a tiny model folder, made once from the texts of a mixture.

InstructBLIP expects a pretrained language model. 50 steps of a Q-Former cannot make up for a random one: on the
miniature its answers stayed empty, at a loss of 4.9. After 100 steps on texts they are sentences about the miniature,
at a loss below 1.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.mixtures.stream.stream import Stream
from ib_data.replacing import new_folder
from ib_data.training.batch.batch import IGNORED
from ib_data.training.batch.padding import right_padded
from ib_data.training.model.tiny_folder import TinyShape, save_folder, tiny_model

NAME = "miniature"
SEED = 0
TEXT_STEPS = 100
NUM_TEXTS = 2048
_ROWS_A_STEP = 32
_LEARNING_RATE = 3e-3
_VERSION = 1  # of what is made from the same texts


def miniature_folder(home: Home, stream: Stream, image_px: int) -> Path:
    """The miniature's start for the texts of `stream`, made if this home has none yet: 3 s.

    Equal texts give the same folder. Raises IbDataError if it cannot be written.
    """
    rows = [rendered.segments for rendered in _first_texts(stream)]
    texts = ["".join(f"\0{text}" for text, _ in row) for row in rows]
    shape = TinyShape(image_px=image_px)
    digest = sha256(repr((_VERSION, shape, texts)).encode()).hexdigest()[:12]
    folder = home.root / "models" / f"{NAME}-{digest}"
    if folder.is_dir():
        return folder
    home.mark()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with float32_on_cpu(), torch.random.fork_rng(devices=[]):
        made = tiny_model(shape, [text for row in rows for text, _ in row], SEED)
        model, language, _ = made
        texts_read = [_text_ids(row, language) for row in rows]
        torch.manual_seed(SEED)
        read_texts(model.language_model, texts_read, language.pad_token_id)
        try:
            with new_folder(folder) as part:
                save_folder(part, *made)
        except OSError as error:
            raise IbDataError(f"{folder}: cannot be written ({error.strerror}); free some space there") from error
    return folder


def read_texts(language_model: Any, rows: Sequence[list[int]], pad_id: int, steps: int = TEXT_STEPS) -> None:
    """Train `language_model` in place on `rows` of token ids, without images or image placeholders.

    Takes rows in order, cyclically, 32 per step, at a constant rate of 3e-3.
    """
    optimizer = torch.optim.AdamW(language_model.parameters(), lr=_LEARNING_RATE, weight_decay=0.0)
    for step in range(steps):
        chosen = [rows[(step * _ROWS_A_STEP + i) % len(rows)] for i in range(_ROWS_A_STEP)]
        ids, mask = right_padded(chosen, pad_id)
        logits = language_model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
        labels = ids.masked_fill(mask == 0, IGNORED)[:, 1:]
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _text_ids(segments: Sequence[tuple[str, bool]], language: Any) -> list[int]:
    """BOS, then each text, with EOS after each target: a training row without image."""
    ids: list[int] = [language.bos_token_id]
    for text, is_target in segments:
        ids += language(text, add_special_tokens=False)["input_ids"]
        ids += [language.eos_token_id] * is_target
    return ids


def _first_texts(stream: Stream) -> list[Any]:
    return [example.rendered for example in stream.examples(0, NUM_TEXTS, with_pixels=False)]
