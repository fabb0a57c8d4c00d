"""webdataset: sequential tars, a shuffle buffer before decoding, RandomMix, WebLoader."""

import random
from collections.abc import Iterator
from typing import Any

import webdataset as wds

from stream_peers.common import PREFETCH, per_batch, per_sample
from stream_peers.corpus import Corpus, Source

NOTE = "shuffle buffer of 1000 samples (100 a dataset in the mixture), RandomMix, WebLoader; JSON not parsed"


def shuffled(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """As used for training."""
    sources = corpus.of(tier)
    buffer = 1000 if len(sources) == 1 else 100
    streams = [
        _stream(corpus, source, seed).shuffle(buffer, initial=buffer, seed=seed) for seed, source in enumerate(sources)
    ]
    random.seed(0)  # RandomMix draws from the state of this module
    if len(streams) == 1:
        return _load(streams[0], tier, workers, batch)
    mix = wds.RandomMix([stream.repeat() for stream in streams], [source.weight for source in sources])
    return _load(wds.DataPipeline(mix), tier, workers, batch)


def sequential(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Without shuffling: the best case of reading whole tars in order. Not for the mixture."""
    return _load(_stream(corpus, corpus.of(tier)[0], None), tier, workers, batch)


def _stream(corpus: Corpus, source: Source, seed: int | None) -> Any:
    shards = corpus.paths(source)
    shuffle = False if seed is None else len(shards)
    return wds.WebDataset(shards, shardshuffle=shuffle, seed=seed, empty_check=False)


def _load(stream: Any, tier: str, workers: int, batch: int) -> Iterator[Any]:
    stages = (
        wds.to_tuple("jpg", "json"),
        wds.map(per_sample(tier)),
        wds.batched(batch, collation_fn=per_batch(tier)),
    )
    pipeline = stream.compose(*stages).repeat()
    prefetch = PREFETCH if workers else None
    return iter(wds.WebLoader(pipeline, batch_size=None, num_workers=workers, prefetch_factor=prefetch))
