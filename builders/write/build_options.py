"""What a person may choose about a build."""

from dataclasses import dataclass

SAMPLES_PER_SHARD = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of `ib-data build`. `limit` in samples a split, `max_side` in pixels.

    `replace` lets a build take the place of a better one. `drop_repeated` drops the images of which so many URLs, or
    more, gave the same bytes.
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
