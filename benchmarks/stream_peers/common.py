"""Shared by all peers: decoding, batches, reading a sample by its byte range, and an order of draws.

A batch of the tiers `read` and `mixture_read` is a list of (image bytes, JSON bytes); of `decode` and `mixture` it is
uint8 of shape (batch, 224, 224, 3).
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ib_data.media.pixels import pixels
from ib_data.stream_options import ImageOptions
from stream_peers.corpus import COLUMNS, Corpus, Source

TIERS = ("read", "decode", "mixture", "mixture_read")
SIDE = 224
PREFETCH = 2  # batches that each worker keeps ready, for every peer that lets one say it
_OPTIONS = ImageOptions(image_px=SIDE)
Pair = tuple[bytes, bytes]


def decode(data: bytes) -> NDArray[np.uint8]:
    """Pixels of a JPEG, uint8 (224, 224, 3): simplejpeg decodes all of it, Pillow's bicubic filter resizes."""
    return pixels(data, "image", _OPTIONS)


def stack(images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """One array of a list of images."""
    return np.stack(images)


def tensor(images: list[NDArray[np.uint8]]) -> Any:
    """The same as a torch tensor: a DataLoader passes tensors in shared memory, arrays through a pipe."""
    import torch

    return torch.from_numpy(stack(images))


def decodes(tier: str) -> bool:
    """Whether the tier gives pixels."""
    return not tier.endswith("read")


def per_sample(tier: str) -> Callable[[Pair], Any]:
    """What a worker does with each sample."""
    return pixels_of if decodes(tier) else same


def per_batch(tier: str) -> Callable[[list[Any]], Any]:
    """What a worker does with each list of samples."""
    return tensor if decodes(tier) else list


def collate(tier: str) -> Callable[[list[dict[str, bytes]]], Any]:
    """What a worker does with each list of rows `jpg` and `json`, for peers with their own storage format."""
    of_sample, of_batch = per_sample(tier), per_batch(tier)
    return lambda rows: of_batch([of_sample((row["jpg"], row["json"])) for row in rows])


def same(pair: Pair) -> Pair:
    """The sample unchanged."""
    return pair


def pixels_of(pair: Pair) -> NDArray[np.uint8]:
    """The pixels of the sample's image. The JSON is not parsed, in favour of the peers."""
    return decode(pair[0])


class Reader:
    """Reads samples of one source by number: one `pread` for image and JSON, descriptors kept open."""

    def __init__(self, corpus: Corpus, source: Source) -> None:
        self.paths = corpus.paths(source)
        self.extents = corpus.extents(source)
        self.descriptors: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.extents["shard"])

    def __getitem__(self, row: int) -> Pair:
        shard = int(self.extents["shard"][row])
        offset, size, media, media_size, text, text_size = (int(self.extents[name][row]) for name in COLUMNS)
        if shard not in self.descriptors:
            self.descriptors[shard] = os.open(self.paths[shard], os.O_RDONLY)
        data = os.pread(self.descriptors[shard], size, offset)
        media, text = media - offset, text - offset
        return data[media : media + media_size], data[text : text + text_size]

    def __getstate__(self) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
        return self.paths, self.extents

    def __setstate__(self, state: tuple[list[str], dict[str, NDArray[np.int64]]]) -> None:
        self.paths, self.extents = state
        self.descriptors = {}


def draws(sources: tuple[Source, ...], seed: int) -> Iterator[tuple[int, int]]:
    """An endless order of (source, row) by independent draws, for peers without mixtures."""
    rng = np.random.default_rng(seed)
    weights = np.array([source.weight for source in sources])
    sizes = np.array([source.num_samples for source in sources])
    while True:
        members = rng.choice(len(sources), 4096, p=weights / weights.sum())
        yield from zip(members.tolist(), rng.integers(0, sizes[members]).tolist(), strict=True)
