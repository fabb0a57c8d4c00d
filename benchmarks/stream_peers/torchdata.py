"""torchdata's StatefulDataLoader, and torch's own DataLoader, over a map-style dataset on our byte index."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, RandomSampler, WeightedRandomSampler
from torchdata.stateful_dataloader import StatefulDataLoader

from stream_peers.common import PREFETCH, Reader, per_batch, per_sample
from stream_peers.corpus import Corpus

NOTE = "map-style dataset on our index; snapshot every 1000 steps; mixture by WeightedRandomSampler with replacement"
DRAWS = 200_000  # of the weighted sampler before it starts again


class Decoded(Dataset):
    """A reader whose samples are read, or read and decoded."""

    def __init__(self, reader: Reader, tier: str) -> None:
        self.reader = reader
        self.of_sample = per_sample(tier)

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, row: int) -> Any:
        return self.of_sample(self.reader[row])


def stateful(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """StatefulDataLoader, whose state can be saved."""
    return _endless(stateful_loader(corpus, tier, workers, batch))


def plain(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """torch's DataLoader with the same dataset and sampler."""
    return _endless(_loader(DataLoader, corpus, tier, workers, batch))


def stateful_loader(corpus: Corpus, tier: str, workers: int, batch: int) -> Any:
    """The loader itself."""
    return _loader(StatefulDataLoader, corpus, tier, workers, batch, snapshot_every_n_steps=1000)


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def _loader(loader: Any, corpus: Corpus, tier: str, workers: int, batch: int, **options: Any) -> Any:
    sources = corpus.of(tier)
    dataset: Any = ConcatDataset([Decoded(Reader(corpus, source), tier) for source in sources])
    sampler: Any = RandomSampler(dataset)
    if len(sources) > 1:
        each = [torch.full((source.num_samples,), source.weight / source.num_samples) for source in sources]
        sampler = WeightedRandomSampler(torch.cat(each).tolist(), DRAWS, replacement=True)
    return loader(
        dataset,
        batch_size=batch,
        sampler=sampler,
        num_workers=workers,
        collate_fn=per_batch(tier),
        prefetch_factor=PREFETCH if workers else None,
        persistent_workers=bool(workers),
        **options,
    )
