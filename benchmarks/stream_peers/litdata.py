"""litdata: the same bytes converted into its chunks of 64 MB, CombinedStreamingDataset, StreamingDataLoader."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import litdata as ld

from stream_peers.common import PREFETCH, Reader, collate
from stream_peers.corpus import Corpus

NOTE = "own chunks of 64 MB; combined by weights, which ends with its smallest dataset and starts again"


def fast(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """With POSIX-fast, its default on a local disk: chunks are mapped in place."""
    return _endless(loader(corpus, tier, workers, batch))


def cached(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Without POSIX-fast: chunks go through its cache folder."""
    os.environ["LITDATA_POSIX_FAST"] = "0"
    return _endless(loader(corpus, tier, workers, batch))


def prepare(corpus: Corpus) -> None:
    """Convert every dataset; those that are whole are left alone."""
    for source in {source.stored_as: source for source in corpus.sources}.values():
        folder = corpus.root / "litdata" / source.stored_as
        if (folder / "index.json").exists():
            continue
        ld.optimize(
            fn=partial(_row, Reader(corpus, source)),
            inputs=list(range(source.num_samples)),
            output_dir=str(folder),
            chunk_bytes="64MB",
            num_workers=1,
            verbose=False,
        )


def _row(reader: Reader, row: int) -> dict[str, bytes]:
    image, text = reader[row]
    return {"jpg": image, "json": text}


def loader(corpus: Corpus, tier: str, workers: int, batch: int) -> Any:
    """The StreamingDataLoader over one dataset or the combination."""
    sources = corpus.of(tier)
    os.environ["LITDATA_CACHE_DIR"] = str(corpus.root / "litdata_cache")
    streams = [ld.StreamingDataset(str(corpus.root / "litdata" / s.stored_as), shuffle=True) for s in sources]
    data: Any = streams[0]
    if len(streams) > 1:
        data = ld.CombinedStreamingDataset(streams, weights=[s.weight for s in sources], iterate_over_all=False)
    return ld.StreamingDataLoader(
        data,
        batch_size=batch,
        num_workers=workers,
        collate_fn=collate(tier),
        prefetch_factor=PREFETCH if workers else None,
        persistent_workers=bool(workers),
    )


def _endless(batches: Any) -> Iterator[Any]:
    while True:
        yield from batches
