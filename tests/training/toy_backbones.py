"""Shipped parts of both families with random values, in the form of the package's own."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from toy_texts import TEXTS

from ib_data.training.model.tiny_folder import FAMILIES, TinyShape, tiny_model
from ib_data.training.weights import backbones
from ib_data.training.weights.backbones_writing import Family, write_parts

START = ("qformer.", "query_tokens", "language_projection.")


def toy_parts(seed: int = 0) -> dict[str, Any]:
    """The arguments of `write_parts`: one vision encoder and Q-Former for both families, images of 32 pixels."""
    parts = _parts(seed)
    return {**parts, "families": dict(parts["families"])}


@cache
def _parts(seed: int) -> dict[str, Any]:
    families, common = {}, {}
    for family in FAMILIES:
        shape = TinyShape(family=family, image_px=32, num_query_tokens=4, language_width=64, dropout=0.0)
        model, language, qformer = tiny_model(shape, TEXTS, seed)
        tensors = dict(model.state_dict())
        families[family] = Family(
            config=model.config,
            tokenizer=language,
            language={name: value for name, value in tensors.items() if name.startswith("language_model.")},
            start={name: value for name, value in tensors.items() if name.startswith(START)},
        )
        common = {
            "vision": {name: value for name, value in tensors.items() if name.startswith("vision_model.")},
            "qformer_tokenizer": qformer,
        }
    return {"families": families, "report": {"made": "by a test"}, **common}


def ship(monkeypatch: pytest.MonkeyPatch, folder: Path | None = None, seed: int = 0) -> Path:
    """Make random parts those that the package ships; tests that change them name a `folder` of their own."""
    if folder:
        shutil.copytree(_made(seed), folder)
    monkeypatch.setattr(backbones, "SHIPPED", folder or _made(seed))
    return backbones.SHIPPED


@cache
def _made(seed: int) -> Path:
    folder = Path(mkdtemp(prefix="ib_data_toy_parts_")) / "shipped"
    write_parts(folder, **toy_parts(seed))
    return folder
