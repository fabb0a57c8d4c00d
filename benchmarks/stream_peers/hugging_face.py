"""HuggingFace datasets: its webdataset builder, streaming, interleaved by probabilities."""

import os
from collections.abc import Iterator
from typing import Any

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

from datasets import Image, interleave_datasets, load_dataset
from torch.utils.data import DataLoader

from stream_peers.common import PREFETCH, per_batch, per_sample
from stream_peers.corpus import Corpus, Source

NOTE = "webdataset builder (it parses the JSON), Image(decode=False), shuffle buffer as webdataset's, DataLoader"


def streaming(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Batches of `opened`, by torch's DataLoader."""
    return load(opened(corpus, tier), tier, workers, batch)


def opened(corpus: Corpus, tier: str) -> Any:
    """load_dataset(streaming=True), shuffled, repeated, interleaved."""
    sources = corpus.of(tier)
    buffer = 1000 if len(sources) == 1 else 100
    streams = [_stream(corpus, source).shuffle(seed=0, buffer_size=buffer).repeat(None) for source in sources]
    if len(streams) == 1:
        return streams[0]
    weights = [source.weight for source in sources]
    return interleave_datasets(streams, probabilities=weights, seed=0, stopping_strategy="all_exhausted")


def load(stream: Any, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Batches of a stream."""
    of_sample, of_batch = per_sample(tier), per_batch(tier)

    def collate(rows: list[dict[str, Any]]) -> Any:
        return of_batch([of_sample((row["jpg"]["bytes"], row["json"])) for row in rows])

    prefetch = PREFETCH if workers else None
    return iter(DataLoader(stream, batch, num_workers=workers, collate_fn=collate, prefetch_factor=prefetch))


def _stream(corpus: Corpus, source: Source) -> Any:
    files = {"train": corpus.paths(source)}
    stream = load_dataset("webdataset", data_files=files, split="train", streaming=True)
    return stream.cast_column("jpg", Image(decode=False))
