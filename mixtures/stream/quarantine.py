"""Counts and logs samples that a stream could not use; too many of them are an error."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ib_data.errors import IbDataError, one_line

# The share is taken over at least this many positions: one bad sample in the first ten does not mean bad data.
_AT_LEAST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BadSample:
    """A sample that a position drew and could not use, with the reason in one line."""

    dataset: str
    split: str
    key: str
    annotation_id: str
    position: int
    reason: str


class Quarantine:
    """The log of one process, in a file that many processes may append to, with one JSON line per bad sample.

    A sample that several positions draw is logged once for each of them. `num_seen` counts positions.
    """

    def __init__(self, path: Path, max_share: float) -> None:
        self.path = path
        self.max_share = max_share
        self.num_seen = 0
        self.num_bad = 0

    def add(self, bad: BadSample) -> None:
        """Log `bad`."""
        line = json.dumps(asdict(bad), ensure_ascii=False) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One write to an appending descriptor: lines of several processes never mix.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def count(self, bad: BadSample, stored_as: str) -> None:
        """Count a position whose own sample was `bad`. Raises IbDataError if more than `max_share` of all were.

        `stored_as` is the dataset that stores the sample; the member may be a view of it.
        """
        self.num_bad += 1
        if self.num_bad > self.max_share * max(self.num_seen, _AT_LEAST):
            share = f"{self.num_bad:,} of {self.num_seen:,} positions drew a sample that cannot be used"
            last = one_line(f"the last one: {bad.dataset} {bad.key}: {bad.reason}", 300)
            remedy = f"see {self.path}, run `ib-data check {stored_as} --decode`, or allow more with max_bad_share"
            raise IbDataError(f"{share}, more than {self.max_share:.2%}; {last}; {remedy}")
