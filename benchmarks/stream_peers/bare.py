"""The same bytes and decode function without anything else.

`limit` is the machine's limit: each process reads and decodes, only counts, and sends nothing. `loader` sends the
batches of the same loop through torch's DataLoader.
"""

import multiprocessing
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from stream_peers.common import PREFETCH, Reader, draws, per_batch, per_sample
from stream_peers.corpus import Corpus

NOTE = "pread of each sample's extent, independent draws; no order to keep, no state"


def limit(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[range]:
    """A process per worker, each in its own loop; yields ranges whose lengths are the samples done since."""
    if not workers:
        for _ in _samples(corpus, tier, 0):
            yield range(1)
    context = multiprocessing.get_context("fork")
    done = [context.Value("q", 0, lock=False) for _ in range(workers)]
    for number, counter in enumerate(done):
        context.Process(target=_count, args=(corpus, tier, number, counter), daemon=True).start()
    seen = 0
    while True:
        time.sleep(0.02)
        total = sum(counter.value for counter in done)
        if total > seen:
            yield range(total - seen)
        seen = total


def _samples(corpus: Corpus, tier: str, seed: int) -> Iterator[Any]:
    sources = corpus.of(tier)
    readers = [Reader(corpus, source) for source in sources]
    of_sample = per_sample(tier)
    return (of_sample(readers[member][row]) for member, row in draws(sources, seed))


def _count(corpus: Corpus, tier: str, seed: int, counter: Any) -> None:
    for _ in _samples(corpus, tier, seed):
        counter.value += 1


def loader(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """The same loop in the workers of a DataLoader."""
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info

    class Loop(IterableDataset):
        def __iter__(self) -> Iterator[Any]:
            info = get_worker_info()
            samples, finish = _samples(corpus, tier, info.id if info else 0), per_batch(tier)
            while True:
                yield finish(list(islice(samples, batch)))

    return iter(DataLoader(Loop(), batch_size=None, num_workers=workers, prefetch_factor=PREFETCH if workers else None))
