"""The stream that a run trains on."""

from pathlib import Path

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.mixtures.stream.part import Part
from ib_data.mixtures.stream.stream import Stream, open_stream
from ib_data.training.config.train_config import TrainConfig


def training_stream(config: TrainConfig, home: Home) -> Stream:
    """The stream of a configuration. Raises IbDataError, before any step, for what cannot be trained on."""
    folder = config.stream.templates
    if folder is not None and not Path(folder).is_dir():
        raise IbDataError(f"templates={folder}: expected a folder of TASK.toml files, found none there")
    stream = open_stream(
        home,
        config.mixture,
        seed=config.seed,
        available=config.available,
        strict=config.strict,
        options=config.stream,
        shards=config.shards or None,
        cache_bytes=config.cache_gb * 10**9,
    )
    require_media(stream)
    return stream


def require_media(stream: Stream) -> None:
    """Raise IbDataError, before any step, naming the members that were built without their images or clips."""
    bare = sorted({part.card.stored_as for part in stream.parts.values() if _is_bare(part)})
    if bare:
        remedy = f"run `ib-data build {' '.join(bare)}` without --no-media"
        raise IbDataError(f"mixture {stream.mixture.name}: built without their images: {', '.join(bare)}; {remedy}")


def _is_bare(part: Part) -> bool:
    return part.rows.count > 0 and part.rows.media_sha256(0) is None
