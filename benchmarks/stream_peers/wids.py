"""wids: random access to tars by its own index, read through mmap. It has no mixture."""

import json
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, RandomSampler
from wids.wids import ShardListDataset, ShardListSampler

from stream_peers.common import PREFETCH, per_batch, per_sample
from stream_peers.corpus import Corpus

NOTE = "lru_size >= shards, local paths, DataLoader; index made beforehand; no mixture offered"


def local(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Shard by shard, shuffled inside each (ShardListSampler)."""
    return _load(corpus, tier, workers, batch, ShardListSampler)


def random(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Any sample at any time."""
    return _load(corpus, tier, workers, batch, RandomSampler)


def prepare(corpus: Corpus) -> None:
    """The shard lists that wids reads."""
    folder = corpus.root / "wids"
    folder.mkdir(exist_ok=True)
    for source in corpus.of("read"):
        pairs = zip(corpus.paths(source), source.shard_samples, strict=True)
        shards = [{"url": path, "nsamples": count} for path, count in pairs]
        value = {"wids_version": 1, "name": source.name, "shardlist": shards}
        (folder / f"{source.name}.json").write_text(json.dumps(value), encoding="utf-8")


def _load(corpus: Corpus, tier: str, workers: int, batch: int, sampler: Any) -> Iterator[Any]:
    source = corpus.of(tier)[0]
    of_sample = per_sample(tier)
    dataset = ShardListDataset(
        str(corpus.root / "wids" / f"{source.name}.json"),
        lru_size=len(source.shards),
        localname=str,
        keep=True,
        transformations=[lambda sample: of_sample((sample[".jpg"].read(), sample[".json"].read()))],
    )
    loader = DataLoader(
        dataset,
        batch_size=batch,
        sampler=sampler(dataset),
        num_workers=workers,
        collate_fn=per_batch(tier),
        prefetch_factor=PREFETCH if workers else None,
        persistent_workers=bool(workers),
    )
    while True:
        yield from loader
