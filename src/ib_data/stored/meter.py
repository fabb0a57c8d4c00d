"""Where a stream spends its time."""

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(slots=True, kw_only=True)
class Meter:
    """Running totals. Seconds of reading, decoding and rendering are summed over all workers.

    `wait_s` is how long the consumer waited. `num_fetched` counts shards fetched from an object store,
    `num_cache_hits` shards opened from the local cache, and `num_opened` all openings of a shard.
    """

    num_positions: int = 0
    num_examples: int = 0
    num_bad: int = 0
    media_bytes: int = 0
    read_s: float = 0.0
    decode_s: float = 0.0
    render_s: float = 0.0
    wait_s: float = 0.0
    num_opened: int = 0
    num_fetched: int = 0
    num_cache_hits: int = 0

    def add(self, other: "Meter") -> None:
        """Add the totals of `other`."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def take(self) -> "Meter":
        """The totals since the last `take`; resets this meter to 0."""
        taken = Meter(**asdict(self))
        for field in fields(self):
            setattr(self, field.name, field.default)
        return taken

    def values(self) -> dict[str, Any]:
        """The totals as plain values."""
        return asdict(self)
