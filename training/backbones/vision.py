"""The vision encoder: InstructBlipVisionModel, taught what every token shows.

A token alone tells what its cell holds, and where the cell is. What a whole image shows stands in the class token. The
linear heads that read the labels are thrown away: what counts is what a fresh Q-Former reads (`probe`).

Ten of the 96 values of a token are its place: a number each for the nine cells, in the position embedding, and one for
the class token. No layer writes there, and one term of the loss keeps their size at the output. Without them the place
is so faint behind the last norm that a cross-attention finds a cell slowly.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import InstructBlipVisionConfig, InstructBlipVisionModel

from ib_data.media.normalised import normalised
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.training.backbones import labels, pictures
from ib_data.training.backbones.labels import CELL, IGNORED, NUM_CELLS, PRINT, WHOLE
from ib_data.training.model.random_values import fill

FILE = "vision.safetensors"
WIDTH, NUM_LAYERS, NUM_HEADS, MLP_WIDTH, PATCH_PX = 96, 3, 4, 192, 16
STEPS = 4000
_PREFIX = "vision_model."
_SEED, _BATCH = 0, 64
_MUON_RATE, _ADAM_RATE, _WARM_UP = 0.01, 2e-3, 100
_NUM_PLACES = NUM_CELLS + 1
_PLACE_IN, _PLACE_OUT = 4.0, 6.0  # a token's own place before the first layer and at the output; the others are 0
_PLACE_WEIGHT = 0.1
_WEIGHTS = {"kind": 2.0, "colour": 1.0, "size": 1.0, "order": 0.5, "alike": 0.5}
_PRINT_WEIGHT, _WHOLE_WEIGHT = 0.3, 0.2


def vision_config() -> Any:
    """The configuration of the miniature's vision encoder."""
    return InstructBlipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=MLP_WIDTH,
        num_hidden_layers=NUM_LAYERS,
        num_attention_heads=NUM_HEADS,
        image_size=pictures.IMAGE_PX,
        patch_size=PATCH_PX,
    )


def load_encoder(path: Path) -> Any:
    """The encoder in a file that `make` wrote: float32, frozen, in evaluation mode."""
    encoder = InstructBlipVisionModel(vision_config())
    values = {name.removeprefix(_PREFIX): value.float() for name, value in load_file(path).items()}
    encoder.load_state_dict(values)
    return encoder.eval().requires_grad_(False)


@torch.no_grad()
def features(encoder: Any, images: NDArray[np.uint8], batch: int = 250) -> Tensor:
    """float32 (N, 37, 96): the tokens of `images`, uint8 (N, 96, 96, 3)."""
    parts = [torch.from_numpy(np.ascontiguousarray(images[i : i + batch])) for i in range(0, len(images), batch)]
    return torch.cat([encoder(normalised(part)).last_hidden_state for part in parts])
