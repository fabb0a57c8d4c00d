"""grain: our byte index as its random-access source; its own order, mixture and worker processes."""

from collections.abc import Iterator
from typing import Any

import grain

from stream_peers.common import PREFETCH, Reader, decodes, per_sample, stack
from stream_peers.corpus import Corpus

NOTE = "MapDataset over our index: shuffle, repeat, MapDataset.mix; one read thread; mp_prefetch; batches are arrays"


def mixed(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Global shuffle of each dataset, mixed by grain."""
    data = dataset(corpus, tier).map(per_sample(tier))
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=PREFETCH * batch)
    batches = data.to_iter_dataset(options).batch(batch, batch_fn=stack if decodes(tier) else list)
    if workers:
        batches = batches.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=PREFETCH)
        )
    return iter(batches)


def in_order(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Batches made by the consumer, for which grain keeps one order for any number of workers."""
    samples = dataset(corpus, tier).map(per_sample(tier)).to_iter_dataset(grain.ReadOptions(num_threads=1))
    if workers:
        samples = samples.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return iter(samples.batch(batch, batch_fn=stack if decodes(tier) else list))


def dataset(corpus: Corpus, tier: str) -> Any:
    """The endless order of (image bytes, JSON bytes)."""
    sources = corpus.of(tier)
    parts = [
        grain.MapDataset.source(Reader(corpus, source)).shuffle(seed=number).repeat()
        for number, source in enumerate(sources)
    ]
    return grain.MapDataset.mix(parts, [source.weight for source in sources]) if len(parts) > 1 else parts[0]
