"""Generates answers of a trained model; an answer does not depend on the rest of its batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import GenerationConfig

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.media.faults import MediaError
from ib_data.media.normalised import normalised
from ib_data.media.pixels import pixels
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.stream_options import ImageOptions
from ib_data.training.batch.padding import left_padded, right_padded
from ib_data.training.batch.row import RowMaker
from ib_data.training.loop import checkpoint as checkpoints
from ib_data.training.loop.ranks import find_device
from ib_data.training.loop.run import load_start
from ib_data.training.model.forward import image_features, language_inputs, soft_prompt
from ib_data.training.model.load import LoadedModel
from ib_data.training.model.parts import autocast, frozen_dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model ready to answer, in evaluation mode on `device`."""

    loaded: LoadedModel
    rows: RowMaker
    image_px: int
    device: torch.device
    dtype: torch.dtype
    instruction_aware: bool


def load(folder: Path, home: Home, device: str = "auto", *, look_beside: bool = True) -> Trained:
    """The model of a checkpoint folder, or of the newest checkpoint in a run folder.

    Raises IbDataError if there is none, and DamagedError (see `record.require_whole`) if it is damaged.
    """
    checkpoint = checkpoints.read(folder, look_beside=look_beside)
    config, place = checkpoint.config, find_device(device)
    with float32_on_cpu():
        loaded = load_start(config, checkpoint.start, place)
        checkpoints.load_trained(checkpoint.folder, loaded.model)
    loaded.model.to(place).eval()
    return Trained(
        loaded=loaded,
        rows=loaded.row_maker(config.max_instruction_tokens, config.max_target_tokens),
        image_px=config.images.image_px,
        device=place,
        dtype=frozen_dtype(config.precision, place),
        instruction_aware=config.instruction_aware,
    )


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
    rows, tokenizers, model, device = trained.rows, trained.loaded.tokenizers, trained.loaded.model, trained.device
    try:
        options = ImageOptions(image_px=trained.image_px)
        squares = np.stack([pixels(image, "image", options) for image, _ in asked])
    except MediaError as error:
        raise IbDataError(f"not an image: {error}") from error
    texts = right_padded([rows.qformer(prompt) for _, prompt in asked], tokenizers.qformer.pad_id)
    prompts = [rows.prompt(prompt, 1, truncate=False) for _, prompt in asked]
    ids, mask = (padded.to(device) for padded in left_padded(prompts, tokenizers.pad_id))
    with float32_on_cpu(), autocast(trained.dtype, device):
        features = image_features(model, normalised(torch.from_numpy(squares).to(device)))
        read = [text.to(device) for text in texts] if trained.instruction_aware else [None, None]
        prompt = soft_prompt(model, features, *read)
        new_ids = model.language_model.generate(
            inputs_embeds=language_inputs(model, prompt, ids),
            attention_mask=mask,
            generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                do_sample=False,
                max_new_tokens=max_new_tokens,
                pad_token_id=tokenizers.pad_id,
                bos_token_id=tokenizers.bos_id,
                eos_token_id=tokenizers.eos_id,
                decoder_start_token_id=trained.loaded.decoder_start_id,
            ),
        )
    return [tokenizers.language.text(row) for row in new_ids.tolist()]
