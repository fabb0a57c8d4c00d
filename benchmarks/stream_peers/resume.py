"""Opens each peer at the start or from a saved state: (batches, how to save), in this process, batches of 64.

`state` is the peer's own saved state, None at the start. webdataset has no state: it replays what was consumed.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from stream_peers.corpus import Corpus

TIER, BATCH = "mixture_read", 64
Opened = tuple[Iterator[Any], Callable[[], Any]]


def ours(corpus: Corpus, state: Any) -> Opened:
    """ib_data."""
    from ib_data.mixtures.loader.loader import StreamLoader
    from stream_peers.ours import opened, pairs

    loader = StreamLoader(opened(corpus, TIER), BATCH)
    if state is not None:
        loader.load_state_dict(state)
    return map(pairs, loader), loader.state_dict


def webdataset(corpus: Corpus, state: Any) -> Opened:
    """The state is the number of batches, which are read again."""
    from stream_peers.webdataset import shuffled

    done = [state or 0]

    def counted() -> Iterator[Any]:
        for batch in islice(shuffled(corpus, TIER, 0, BATCH), done[0], None):
            done[0] += 1
            yield batch

    return counted(), lambda: done[0]


def grain(corpus: Corpus, state: Any) -> Opened:
    """The state is an index."""
    from stream_peers.grain import mixed

    batches: Any = mixed(corpus, TIER, 0, BATCH)
    if state is not None:
        batches.set_state(state)
    return batches, batches.get_state


def energon(corpus: Corpus, state: Any) -> Opened:
    """Its exact state, of this rank."""
    from stream_peers.energon import savable

    loader = savable(corpus, TIER, 0, BATCH)
    if state is not None:
        loader.restore_state_rank(state)
    return iter(loader), loader.save_state_rank


def torchdata(corpus: Corpus, state: Any) -> Opened:
    """StatefulDataLoader."""
    from stream_peers.torchdata import stateful_loader

    return _of_loader(stateful_loader(corpus, TIER, 0, BATCH), state)


def litdata(corpus: Corpus, state: Any) -> Opened:
    """StreamingDataLoader of a combination."""
    from stream_peers.litdata import loader

    return _of_loader(loader(corpus, TIER, 0, BATCH), state)


def mosaic(corpus: Corpus, state: Any) -> Opened:
    """StreamingDataLoader of 26 streams."""
    from stream_peers.mosaic import endless, loader

    batches = loader(corpus, TIER, 0, BATCH)
    if state is not None:
        batches.load_state_dict(state)
    return endless(batches), batches.state_dict


def datasets(corpus: Corpus, state: Any) -> Opened:
    """The state of the interleaved stream; it does not hold the shuffle buffers."""
    from stream_peers.hugging_face import load, opened

    stream = opened(corpus, TIER)
    if state is not None:
        stream.load_state_dict(state)
    return load(stream, TIER, 0, BATCH), stream.state_dict


def _of_loader(loader: Any, state: Any) -> Opened:
    if state is not None:
        loader.load_state_dict(state)

    def endless() -> Iterator[Any]:
        while True:
            yield from loader

    return endless(), loader.state_dict


# By the names in `measure.PEERS`.
RESUMABLE: dict[str, Callable[[Corpus, Any], Opened]] = {
    "ours": ours,
    "webdataset": webdataset,
    "grain": grain,
    "torchdata stateful": torchdata,
    "energon": energon,
    "datasets": datasets,
    "litdata": litdata,
    "mosaicml-streaming": mosaic,
}


def far_state(name: str, corpus: Corpus, num_samples: int) -> Any:
    """The state at a far sample, if it can be constructed without consuming up to it; else None."""
    if name == "ours":
        from stream_peers.ours import opened

        return opened(corpus, TIER).state(num_samples)
    return {"next_index": num_samples} if name == "grain" else None
