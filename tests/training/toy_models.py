"""Tiny start folders in transformers' own format, one of each family, made once a session."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from toy_texts import TEXTS

from ib_data.training.model.tiny_folder import TinyShape, save_folder, tiny_model


def toy_folder(path: Path, family: str = "llama", seed: int = 0, **shape: Any) -> Path:
    """A complete start folder at `path`: 8 queries, images of 32 pixels, no dropout."""
    shutil.copytree(_made(family, seed, tuple(sorted(shape.items()))), path, dirs_exist_ok=True)
    return path


def shared_toy_folder(family: str = "llama") -> Path:
    """One that tests only read."""
    return _made(family, 0, ())


@cache
def _made(family: str, seed: int, shape: tuple[tuple[str, Any], ...]) -> Path:
    folder = Path(mkdtemp(prefix="ib_data_toy_"))
    values = {"image_px": 32, "num_query_tokens": 8, "language_width": 64, "dropout": 0.0, **dict(shape)}
    save_folder(folder, *tiny_model(TinyShape(family=family, **values), TEXTS, seed))
    return folder
