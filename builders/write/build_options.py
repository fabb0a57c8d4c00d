"""The options of a build."""

from dataclasses import dataclass

SAMPLES_PER_SHARD = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of `ib-data build`. `limit` is in samples per split, `max_side` in pixels.

    `replace`: replace an existing build that holds more. `drop_repeated`: drop images whose bytes this many URLs, or
    more, share.
    """

    media: bool = True
    allow_missing: bool = False
    max_side: int | None = None
    limit: int | None = None
    workers: int = 1
    miniature: bool = False
    samples_per_shard: int = SAMPLES_PER_SHARD
    replace: bool = False
    drop_repeated: int | None = None
