"""Where shards are: in a home, or in an object store that is read through a bounded cache."""

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ib_data.errors import DataError, IbDataError
from ib_data.given import integer, require_text
from ib_data.home import Home
from ib_data.stored.index import Extent
from ib_data.stored.manifest import Shard
from ib_data.stored.sample_reader import open_shard
from ib_data.stored.urls import DEFAULT_CACHE_BYTES
from ib_data.stored.verified import Verified


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample is: its extent in a shard, and the shard's entry in the manifest of the split in `folder`."""

    folder: Path
    shard: Shard
    extent: Extent


class Store(Protocol):
    """The interface to a place with shards. `num_fetched` and `num_cache_hits` count shards of an object store.

    `cache` is a folder for files that can be regenerated at any time, such as mapped indices.
    """

    cache: Path
    num_fetched: int
    num_cache_hits: int

    def folder(self, dataset: str, split: str) -> Path:
        """A local folder with the manifest and the index of a split; without a manifest the split is not built."""

    def open(self, folder: Path, shard: Shard) -> int | None:
        """A file descriptor of a shard, which the caller closes; None where it must be read by `ranges`.

        Raises DataError for a shard that is missing, or known to be another than `shard` describes.
        """

    def ranges(self, places: Sequence[Place]) -> list[bytes]:
        """The bytes at these places, read over the network."""

    def address(self, folder: Path, name: str) -> str:
        """Where a file of a split is, for a message."""

    def remedy(self, dataset: str) -> str:
        """How to repair a damaged split there, for a message."""

    def require_layout(self, datasets: Collection[str]) -> None:
        """Raise IbDataError if the place holds none of the known `datasets`."""


class LocalStore:
    """The shards built in a home; without `verify` they are opened unchecked."""

    num_fetched = 0
    num_cache_hits = 0

    def __init__(self, home: Home, *, verify: bool = True) -> None:
        self.home = home
        self.cache = home.cache
        self.verify = verify
        self._verified = Verified(home.cache / "verified")

    def folder(self, dataset: str, split: str) -> Path:
        """The folder of the built split."""
        return self.home.split(dataset, split)

    def open(self, folder: Path, shard: Shard) -> int:
        """A file descriptor of the shard.

        Raises DataError if it is missing, if it has the wrong size, if it is newer than its manifest and has another
        checksum, or if the manifest there is now from another build.
        """
        path, dataset = folder / shard.name, folder.parent.name
        descriptor = open_shard(path)
        if not self.verify:
            return descriptor
        try:
            found = os.fstat(descriptor)
            if found.st_size != shard.num_bytes or not stat.S_ISREG(found.st_mode):
                what = f"{found.st_size:,}" if stat.S_ISREG(found.st_mode) else "no plain file"
                problem = f"expected {shard.num_bytes:,} bytes as the manifest says, found {what}"
                raise DataError(dataset, problem, file=str(path), remedy=f"build {dataset} again")
            self._verified.require_unaltered(path, descriptor, found, shard.sha256)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def ranges(self, places: Sequence[Place]) -> list[bytes]:
        """Never needed here: every shard can be opened."""
        raise AssertionError(f"{len(places)} ranges asked of local shards")

    def address(self, folder: Path, name: str) -> str:
        """The path of the file."""
        return str(folder / name)

    def remedy(self, dataset: str) -> str:
        """Advice to build the dataset again."""
        return f"build {dataset} again"

    def require_layout(self, datasets: Collection[str]) -> None:
        """Accepts any home; a dataset that is not built there is reported by the caller."""


def store_of(home: Home, url: str | None = None, cache_bytes: int | None = None) -> Store:
    """The shards in `home`, or those under a URL such as s3://BUCKET/PREFIX/shards, laid out as in a home.

    `cache_bytes` limits the local copies (DEFAULT_CACHE_BYTES if None). Raises MissingExtraError if the package for
    the URL's protocol is not installed, and IbDataError for an unknown protocol, a URL without a folder, or a negative
    `cache_bytes`.
    """
    require_text("shards", url, "a URL or None")
    if cache_bytes is not None and integer("cache_bytes", cache_bytes) < 0:
        raise IbDataError(f"cache_bytes: expected 0 or more, found {cache_bytes:,}")
    if url is None:
        return LocalStore(home)
    from ib_data.stored.remote import RemoteStore

    return RemoteStore(url, home, DEFAULT_CACHE_BYTES if cache_bytes is None else cache_bytes)
