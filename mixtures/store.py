"""Where shards lie: in the home, or in a folder of an object store that is read through a bounded cache."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ib_data.builders.index import Extent
from ib_data.builders.reader import open_shard
from ib_data.choices import DEFAULT_CACHE_BYTES
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.mixtures.verified import Verified


class Store(Protocol):
    """What a reader asks of a place of shards. `num_fetched` and `num_cache_hits` count shards of an object store."""

    num_fetched: int
    num_cache_hits: int

    def folder(self, dataset: str, split: str) -> Path:
        """A local folder with the manifest and the index of a split; without a manifest nothing is built."""

    def open(self, folder: Path, shard: str, num_bytes: int) -> int | None:
        """A file descriptor of a shard, which the caller closes; None where it must be read by `ranges`.

        Raises DataError for a shard that is missing, not of `num_bytes` or known to be another than the manifest's.
        """

    def ranges(self, places: Sequence[tuple[Path, str, Extent]]) -> list[bytes]:
        """The bytes of extents (folder, shard, extent), read from afar."""


class LocalStore:
    """The shards that were built in a home."""

    num_fetched = 0
    num_cache_hits = 0

    def __init__(self, home: Home) -> None:
        self.home = home
        self._verified = Verified(home.cache / "verified")

    def folder(self, dataset: str, split: str) -> Path:
        """The folder of the built split."""
        return self.home.split(dataset, split)

    def open(self, folder: Path, shard: str, num_bytes: int) -> int:
        """A file descriptor of the shard.

        DataError where it is missing, not of `num_bytes`, or newer than its manifest and of another checksum.
        """
        path, dataset = folder / shard, folder.parent.name
        descriptor = open_shard(path)
        try:
            found = os.fstat(descriptor)
            if found.st_size != num_bytes or not stat.S_ISREG(found.st_mode):
                what = f"{found.st_size:,}" if stat.S_ISREG(found.st_mode) else "no plain file"
                problem = f"expected {num_bytes:,} bytes as the manifest says, found {what}"
                raise DataError(dataset, problem, file=str(path), remedy=f"build {dataset} again")
            self._verified.refuse_altered(path, descriptor, found)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def ranges(self, places: Sequence[tuple[Path, str, Extent]]) -> list[bytes]:
        """Nothing here is read by ranges: every shard can be opened."""
        raise AssertionError(f"{len(places)} ranges asked of local shards")


def store_of(home: Home, url: str | None = None, cache_bytes: int | None = None) -> Store:
    """The shards in `home`, or those under a URL such as s3://BUCKET/PREFIX/shards, laid out as in a home.

    `cache_bytes` bounds the local copies (by default DEFAULT_CACHE_BYTES). Raises MissingExtraError where the package
    for the URL's protocol is not installed, IbDataError for a protocol that is not known, a URL that names no place and
    a negative `cache_bytes`.
    """
    if cache_bytes is not None and cache_bytes < 0:
        raise IbDataError(f"cache_bytes: expected 0 or more, found {cache_bytes:,}")
    if url is None:
        return LocalStore(home)
    from ib_data.mixtures.remote import RemoteStore

    return RemoteStore(url, home, DEFAULT_CACHE_BYTES if cache_bytes is None else cache_bytes)
