"""mosaicml-streaming: the same bytes converted to MDS, streams by proportion, StreamingDataLoader.

It imports torchvision, which this benchmark does not use and which does not load with the CPU build of torch, so an
empty module replaces it.
"""

import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from stream_peers.common import PREFETCH, Reader, collate
from stream_peers.corpus import Corpus, Source

for _name in ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional"):
    sys.modules[_name] = ModuleType(_name)
    sys.modules[_name].__spec__ = ModuleSpec(_name, None)
sys.modules["torchvision.datasets"].VisionDataset = object  # type: ignore[attr-defined]
sys.modules["torchvision.transforms.functional"].to_tensor = None  # type: ignore[attr-defined]

from streaming import MDSWriter, Stream, StreamingDataLoader, StreamingDataset  # noqa: E402
from streaming.base.util import clean_stale_shared_memory  # noqa: E402

NOTE = "own MDS shards of 64 MB; streams by proportion; py1e, one canonical node; environment of its own"
EPOCH = 40_000  # samples of a mixed epoch, after which it plans the next


def streaming(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Epoch after epoch."""
    return endless(loader(corpus, tier, workers, batch))


def endless(batches: Any) -> Iterator[Any]:
    """The batches of a loader without end."""
    while True:
        for made in batches:
            yield made["samples"]


def loader(corpus: Corpus, tier: str, workers: int, batch: int) -> Any:
    """The StreamingDataLoader over one stream or 26."""
    clean_stale_shared_memory()
    sources = corpus.of(tier)
    mixed = len(sources) > 1
    total = sum(source.weight for source in sources)
    streams = [_stream(corpus, source, source.weight / total if mixed else None) for source in sources]
    data = StreamingDataset(
        streams=streams,
        epoch_size=EPOCH if mixed else None,
        shuffle=True,
        shuffle_algo="py1e",
        num_canonical_nodes=1,
        batch_size=batch,
    )
    of_rows = collate(tier)
    return StreamingDataLoader(
        data,
        batch_size=batch,
        num_workers=workers,
        # Its state counts samples by the length of a dict's first value.
        collate_fn=lambda rows: {"samples": of_rows(rows)},
        prefetch_factor=PREFETCH if workers else None,
        persistent_workers=bool(workers),
    )


def _stream(corpus: Corpus, source: Source, proportion: float | None) -> Any:
    """A stream; no two may share a folder, so a view reads its base through a link."""
    folder = corpus.root / "mds" / source.name
    if not folder.exists():
        folder.symlink_to(corpus.root / "mds" / source.stored_as)
    return Stream(local=str(folder), proportion=proportion)


def prepare(corpus: Corpus) -> None:
    """Convert every dataset; those that are whole are left alone."""
    for source in {source.stored_as: source for source in corpus.sources}.values():
        folder = corpus.root / "mds" / source.stored_as
        if (folder / "index.json").exists():
            continue
        reader = Reader(corpus, source)
        columns = {"jpg": "bytes", "json": "bytes"}
        with MDSWriter(out=str(folder), columns=columns, size_limit=64 << 20, exist_ok=True) as writer:
            for row in range(len(reader)):
                image, text = reader[row]
                writer.write({"jpg": image, "json": text})
