"""Generates answers of a trained model; an answer does not depend on the rest of its batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig

from ib_data.errors import IbDataError
from ib_data.media.faults import MediaError
from ib_data.media.normalised import normalised
from ib_data.media.pixels import pixels
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.stream_options import ImageOptions
from ib_data.training import checkpoint as checkpoints
from ib_data.training.collator import Collator, right_padded
from ib_data.training.model import image_features, language_inputs, soft_prompt, to_device
from ib_data.training.run import collator_of, find_device
from ib_data.training.step import autocast
from ib_data.training.tokens import BOS, EOS, PAD, Tokens, decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model ready to answer, in evaluation mode on `device`."""

    model: Any
    tokens: Tokens
    collator: Collator
    image_px: int
    device: torch.device


def load(folder: Path, device: str = "auto", *, look_beside: bool = True) -> Trained:
    """The model of a checkpoint folder, or of the newest checkpoint in a run folder.

    Raises IbDataError if there is none, and DamagedError (see `record.require_whole`) if it is damaged.
    """
    checkpoint = checkpoints.read(folder, look_beside=look_beside)
    place = find_device(device)
    with float32_on_cpu():
        tokens = Tokens.load(checkpoint.folder)
        model = checkpoints.load_model(checkpoint, tokens)
    to_device(model, place)
    model.eval()
    config = checkpoint.config
    collator = collator_of(config, tokens)
    return Trained(model=model, tokens=tokens, collator=collator, image_px=config.images.image_px, device=place)


def answer(trained: Trained, image: bytes, prompt: str, max_new_tokens: int = 30) -> str:
    """The model's answer to one prompt about one image. Raises IbDataError for bytes that are not an image."""
    return answers(trained, [(image, prompt)], max_new_tokens)[0]


@torch.no_grad()
def answers(trained: Trained, asked: Sequence[tuple[bytes, str]], max_new_tokens: int = 30) -> list[str]:
    """Greedy answers to (image, prompt) pairs, each as if asked alone.

    Rows of the language model are padded on the left (new words follow the last one), those of the Q-Former on the
    right (absolute positions). Only embeddings are passed: given ids too, the library would also return the prompt
    and count its words as repetitions.
    """
    collator, tokens, model = trained.collator, trained.tokens, trained.model
    try:
        options = ImageOptions(image_px=trained.image_px)
        squares = np.stack([pixels(image, "image", options) for image, _ in asked])
    except MediaError as error:
        raise IbDataError(f"not an image: {error}") from error
    text_ids, text_mask = right_padded([collator.qformer_ids(prompt) for _, prompt in asked], tokens.qformer_id(PAD))
    rows = [collator.prompt_ids(prompt, truncate=False)[::-1] for _, prompt in asked]
    ids, mask = (padded.flip(1).to(trained.device) for padded in right_padded(rows, tokens.language_id(PAD)))
    with float32_on_cpu(), autocast(trained.device):
        features = image_features(model, normalised(torch.from_numpy(squares).to(trained.device)))
        prompt = soft_prompt(model, features, text_ids.to(trained.device), text_mask.to(trained.device))
        new_ids = model.language_model.generate(
            inputs_embeds=language_inputs(model, prompt, ids),
            attention_mask=mask,
            generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                do_sample=False,
                max_new_tokens=max_new_tokens,
                pad_token_id=tokens.language_id(PAD),
                bos_token_id=tokens.language_id(BOS),
                eos_token_id=tokens.language_id(EOS),
            ),
        )
    return [decode(tokens.language, row) for row in new_ids.tolist()]
