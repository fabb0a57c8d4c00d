"""Megatron-Energon: its own index next to links to the same tars, a blend, its savable loader."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from megatron.energon import (
    Cooker,
    DefaultTaskEncoder,
    WorkerConfig,
    edataclass,
    get_savable_loader,
    get_train_dataset,
    stateless,
)
from megatron.energon import Sample as EnergonSample
from megatron.energon.task_encoder.cooking import basic_sample_keys

from stream_peers.common import PREFETCH, Pair, per_batch, per_sample
from stream_peers.corpus import Corpus

NOTE = "energon prepare over links to the same tars; decoder off, cooker and encoder stateless; buffer as webdataset's"


@edataclass
class Read(EnergonSample):
    """Image bytes and JSON bytes."""

    pair: Pair


@stateless
def cook(sample: dict[str, Any]) -> Read:
    """The members of a tar unchanged."""
    return Read(**basic_sample_keys(sample), pair=(sample["jpg"], sample["json"]))


class Encoder(DefaultTaskEncoder):
    """Decodes by the shared function, in the worker."""

    decoder = None
    cookers = (Cooker(cook),)

    def __init__(self, tier: str) -> None:
        super().__init__()
        self.of_sample, self.of_batch = per_sample(tier), per_batch(tier)

    @stateless
    def encode_sample(self, sample: Read) -> Any:
        """The part of a batch that comes from one sample."""
        return self.of_sample(sample.pair)

    @stateless
    def batch(self, samples: list[Any]) -> Any:
        """A list or a tensor."""
        return self.of_batch(samples)

    @stateless
    def encode_batch(self, batch: Any) -> Any:
        """The batch unchanged."""
        return batch


def blended(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """The batches of `savable`."""
    return iter(savable(corpus, tier, workers, batch))


def savable(corpus: Corpus, tier: str, workers: int, batch: int) -> Any:
    """The savable loader over one dataset or the blend."""
    sources = corpus.of(tier)
    folder = corpus.root / "energon"
    dataset = get_train_dataset(
        folder / ("mixture.yaml" if len(sources) > 1 else sources[0].stored_as),
        worker_config=WorkerConfig(rank=0, world_size=1, num_workers=workers),
        batch_size=batch,
        shuffle_buffer_size=1000 if len(sources) == 1 else 100,
        max_samples_per_sequence=100,
        task_encoder=Encoder(tier),
    )
    return get_savable_loader(dataset, watchdog_timeout_seconds=None, prefetch_factor=PREFETCH)


def prepare(corpus: Corpus) -> None:
    """Hard links to the tars, the index of each dataset, and the blend."""
    folder = corpus.root / "energon"
    lines = ["__module__: megatron.energon", "__class__: MetadatasetV2", "splits:", "  train:", "    blend:"]
    for source in corpus.sources:
        lines += [f"      - weight: {source.weight:.9f}", f"        path: ./{source.stored_as}"]
        place = folder / source.stored_as
        if not (place / ".nv-meta").exists():
            _index(place, corpus.paths(source))
    (folder / "mixture.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _index(place: Path, shards: list[str]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for shard in map(Path, shards):
        if not (place / shard.name).exists():
            os.link(shard, place / shard.name)
    program = str(Path(sys.executable).with_name("energon"))
    options = ["--non-interactive", "--no-progress", "--num-workers", "2", "--split-ratio", "1,0,0"]
    command = [program, "prepare", str(place), *options, "--sample-type", "CrudeWebdataset"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
