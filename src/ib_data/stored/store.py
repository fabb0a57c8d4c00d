"""Where shards lie: in the home, or in a folder of an object store that is read through a bounded cache."""

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
    """Where a sample is: its extent in a shard, as the manifest of the split in `folder` describes the shard."""

    folder: Path
    shard: Shard
    extent: Extent


class Store(Protocol):
    """What a reader asks of a place of shards. `num_fetched` and `num_cache_hits` count shards of an object store.

    `cache` is the folder of what may be made again at any time, such as mapped indices.
    """

    cache: Path
    num_fetched: int
    num_cache_hits: int

    def folder(self, dataset: str, split: str) -> Path:
        """A local folder with the manifest and the index of a split; without a manifest nothing is built."""

    def open(self, folder: Path, shard: Shard) -> int | None:
        """A file descriptor of a shard, which the caller closes; None where it must be read by `ranges`.

        Raises DataError for a shard that is missing, or known to be another than `shard` describes.
        """

    def ranges(self, places: Sequence[Place]) -> list[bytes]:
        """The bytes at these places, read over the network."""

    def address(self, folder: Path, name: str) -> str:
        """Where a file of a split is, for a message."""

    def remedy(self, dataset: str) -> str:
        """What mends a split that is damaged there, for a message."""

    def require_layout(self, datasets: Collection[str]) -> None:
        """Raise IbDataError where the place holds none of all known `datasets`, but something else or nothing."""


class LocalStore:
    """The shards that were built in a home; without `verify` they are opened as they are, whole or not."""

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

        DataError where it is missing, of another size, newer than its manifest and of another checksum, or where the
        manifest there now is of another build.
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
        """Nothing here is read by ranges: every shard can be opened."""
        raise AssertionError(f"{len(places)} ranges asked of local shards")

    def address(self, folder: Path, name: str) -> str:
        """The path."""
        return str(folder / name)

    def remedy(self, dataset: str) -> str:
        """A build."""
        return f"build {dataset} again"

    def require_layout(self, datasets: Collection[str]) -> None:
        """A home may hold anything: what is not built there is said by itself."""


def store_of(home: Home, url: str | None = None, cache_bytes: int | None = None) -> Store:
    """The shards in `home`, or those under a URL such as s3://BUCKET/PREFIX/shards, laid out as in a home.

    `cache_bytes` bounds the local copies (by default DEFAULT_CACHE_BYTES). Raises MissingExtraError where the package
    for the URL's protocol is not installed, IbDataError for a protocol that is not known, a URL that names no place and
    a negative `cache_bytes`.
    """
    require_text("shards", url, "a URL or None")
    if cache_bytes is not None and integer("cache_bytes", cache_bytes) < 0:
        raise IbDataError(f"cache_bytes: expected 0 or more, found {cache_bytes:,}")
    if url is None:
        return LocalStore(home)
    from ib_data.stored.remote import RemoteStore

    return RemoteStore(url, home, DEFAULT_CACHE_BYTES if cache_bytes is None else cache_bytes)
