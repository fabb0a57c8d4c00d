"""ib_data: open_stream and StreamLoader. Every example is parsed, and its instruction rendered, in every tier."""

from collections.abc import Iterator
from typing import Any

from ib_data.home import Home
from ib_data.mixtures.loader.image_batch import ImageBatch, stack
from ib_data.mixtures.loader.loader import StreamLoader
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.stream.stream import Stream, open_stream
from ib_data.stream_options import ImageOptions, StreamOptions
from stream_peers.common import PREFETCH, SIDE, decodes
from stream_peers.corpus import Corpus

NOTE = (
    "StreamLoader, whose shared memory is used again; in every tier JSON parsed, instruction rendered and whole "
    "examples handed over; a picture drawn twice in a batch counts once"
)


def stream(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """Pixels of the unique images of each batch; in the tiers that only read, image bytes and key of each example."""
    loader = StreamLoader(opened(corpus, tier), batch, stack, workers=workers, prefetch_factor=PREFETCH)
    if decodes(tier):
        return (made.images for made in loader)
    return map(pairs, loader)


def pairs(made: ImageBatch) -> list[tuple[bytes | None, bytes]]:
    """Image bytes and key of each example, as other peers give image bytes and JSON."""
    return [(example.media, example.key.encode()) for example in made.examples]


def fast(corpus: Corpus, tier: str, workers: int, batch: int) -> Iterator[Any]:
    """With `decode="fast"`, which no other peer has: nearly the same pixels."""
    loader = StreamLoader(opened(corpus, tier, "fast"), batch, stack, workers=workers, prefetch_factor=PREFETCH)
    return (made.images for made in loader)


def opened(corpus: Corpus, tier: str, decode: str = "exact") -> Stream:
    """The stream of a tier, seed 0."""
    spec = load_mixture(corpus.root / ("mixture.toml" if tier.startswith("mixture") else "single.toml"))
    images = ImageOptions(image_px=SIDE, decode=decode) if decodes(tier) else None
    return open_stream(Home(corpus.home), spec, seed=0, options=StreamOptions(images=images))
