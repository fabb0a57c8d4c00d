"""Where shards lie: in the home, or in a folder of an object store that is read through a bounded cache."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ib_data.builders.index import Extent
from ib_data.errors import DataError
from ib_data.home import Home

# What a run may keep of an object store's shards on the local disk, where nothing else is said.
DEFAULT_CACHE_BYTES = 64 * 2**30


class Store(Protocol):
    """What a reader asks of a place of shards. `num_fetched` and `num_cache_hits` count shards of an object store."""

    num_fetched: int
    num_cache_hits: int

    def folder(self, dataset: str, split: str) -> Path:
        """A local folder with the manifest and the index of a split; without a manifest nothing is built."""

    def open(self, folder: Path, shard: str, num_bytes: int) -> int | None:
        """A file descriptor of a shard, which the caller closes; None where it must be read by `ranges`.

        Raises DataError for a shard that is missing or not of `num_bytes`.
        """

    def ranges(self, places: Sequence[tuple[Path, str, Extent]]) -> list[bytes]:
        """The bytes of extents (folder, shard, extent), read from afar."""


class LocalStore:
    """The shards that were built in a home."""

    num_fetched = 0
    num_cache_hits = 0

    def __init__(self, home: Home) -> None:
        self.home = home

    def folder(self, dataset: str, split: str) -> Path:
        """The folder of the built split."""
        return self.home.split(dataset, split)

    def open(self, folder: Path, shard: str, num_bytes: int) -> int:
        """A file descriptor of the shard; DataError where it is missing or not of `num_bytes`."""
        path, dataset = folder / shard, folder.parent.name
        remedy = f"build {dataset} again"
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise DataError(dataset, "shard is missing", file=str(path), remedy=remedy) from error
        found = os.fstat(descriptor).st_size
        if found != num_bytes:
            os.close(descriptor)
            problem = f"expected {num_bytes:,} bytes as the manifest says, found {found:,}"
            raise DataError(dataset, problem, file=str(path), remedy=remedy)
        return descriptor

    def ranges(self, places: Sequence[tuple[Path, str, Extent]]) -> list[bytes]:
        """Nothing here is read by ranges: every shard can be opened."""
        raise AssertionError(f"{len(places)} ranges asked of local shards")


def store_of(home: Home, url: str | None = None, cache_bytes: int | None = None) -> Store:
    """The shards in `home`, or those under a URL such as s3://BUCKET/PREFIX/shards, laid out as in a home.

    `cache_bytes` bounds the local copies (by default 64 GiB). Raises MissingExtraError where the package for the URL's
    protocol is not installed, IbDataError for a protocol that is not known.
    """
    if url is None:
        return LocalStore(home)
    from ib_data.mixtures.remote import RemoteStore

    return RemoteStore(url, home, DEFAULT_CACHE_BYTES if cache_bytes is None else cache_bytes)
