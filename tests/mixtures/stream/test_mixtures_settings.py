"""Settings of a training script do not change batches: default device and type, NumPy, decimals, the folder."""

import contextlib
import decimal
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from ib_data.home import Home
from ib_data.mixtures.loader.loader import StreamLoader
from ib_data.mixtures.spec.mixture import Member, Mixture
from ib_data.mixtures.stream.stream import open_stream
from ib_data.stream_options import ImageOptions, StreamOptions

SPEC = Mixture(
    name="two",
    rule="sqrt",
    members=(
        Member(dataset="vqav2", split="train", size=443_757),
        Member(dataset="okvqa", split="train", size=9_009, scale=1.5),
    ),
)


def batches(home: Home, workers: int = 0, between: Callable[[], None] = lambda: None) -> str:
    """A checksum over the contents of three batches and the state after them."""
    stream = open_stream(home, SPEC, 3, options=StreamOptions(images=ImageOptions(image_px=32, augment="mild")))
    between()
    loader = StreamLoader(stream, 8, workers=workers)
    digest = sha256()
    for batch in islice(loader, 3):
        assert batch.images is not None
        assert (batch.images.device.type, batch.image_index.device.type) == ("cpu", "cpu")
        digest.update(batch.images.numpy().tobytes() + batch.image_index.numpy().tobytes())
        digest.update(repr([(e.key, e.rendered.instruction, e.rendered.target) for e in batch.examples]).encode())
    digest.update(repr(loader.state_dict()).encode())
    return digest.hexdigest()


@contextlib.contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)  # "meta" stands for "cuda", as scripts set it
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SETTINGS: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
    "default device": lambda: default_device("meta"),
    "device in force": lambda: torch.device("meta"),
    "default type": default_dtype,
    "inference": torch.inference_mode,
    "NumPy's faults": lambda: np.errstate(all="raise"),
    "NumPy's printing": lambda: np.printoptions(precision=1, threshold=2, legacy="1.13"),
    "decimals": lambda: decimal.localcontext(
        decimal.Context(prec=3, rounding=decimal.ROUND_UP, traps=[decimal.Inexact, decimal.FloatOperation])
    ),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_of_the_script_changes_nothing(picture_home: Home, setting: str, workers: int) -> None:
    expected = batches(picture_home)
    with SETTINGS[setting]():
        assert batches(picture_home, workers) == expected


def test_a_script_may_change_its_folder(picture_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = batches(picture_home)
    monkeypatch.chdir(picture_home.root.parent)
    relative = Home(Path(picture_home.root.name))
    for workers in (0, 1):
        monkeypatch.chdir(picture_home.root.parent)
        assert batches(relative, workers, lambda: os.chdir(tmp_path)) == expected
    assert list(tmp_path.iterdir()) == []


def test_a_relative_folder_of_templates_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert StreamOptions(templates=Path("mine")).templates == tmp_path / "mine"
