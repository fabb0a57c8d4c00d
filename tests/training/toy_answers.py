"""Models that answer, and questions of several lengths, for tests of generation."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from toy_models import shared_toy_folder
from toy_texts import COLOURS, QUESTIONS, SHAPES
from toy_training import draw

from ib_data.evaluation.answering import Asked
from ib_data.home import Home
from ib_data.training.generation.answerer import Answerer
from ib_data.training.generation.opened import open_answerer

FAMILIES = ("llama", "t5")


@cache
def toy_answerer(family: str = "llama", precision: str = "auto") -> Answerer:
    """An untrained model: its answers are random, but they depend on prompt and images."""
    home = Home(Path(tempfile.mkdtemp(prefix="ib_data_toy_home_")))
    return open_answerer(str(shared_toy_folder(family)), home, device="cpu", precision=precision)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """uint8 values of this shape."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def eight_questions() -> list[Asked]:
    """About one image, two images or a clip, with prompts of 1 to 120 words."""
    images = [draw(colour, shape) for colour in COLOURS for shape in SHAPES]
    prompts = [*QUESTIONS, "", "red", "a green square on white " * 24, "What shape is shown? " * 7, "white on white"]
    media = [[image] for image in images]
    media[2] = [images[0], images[5]]
    media[5] = [noise(4, 32, 32, 3)]
    media[6] = [images[0], images[0], images[1]]
    return [Asked(prompt, of) for prompt, of in zip(prompts, media, strict=True)]
