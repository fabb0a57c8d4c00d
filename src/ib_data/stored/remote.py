"""Shards in an object store: copies manifests and indices, caches whole shards or reads them by range."""

import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from ib_data.addresses import without_secrets
from ib_data.console import note
from ib_data.errors import DataError, IbDataError, one_line, os_error_line
from ib_data.home import MANIFEST, Home
from ib_data.stored.manifest import INDEX, Manifest, Shard, read_manifest
from ib_data.stored.shard_cache import ShardCache, is_full
from ib_data.stored.store import Place
from ib_data.stored.urls import require_readable

# A shard is fetched in several pieces at once: one connection rarely saturates the network.
_PIECE_BYTES = 8 * 2**20
_PIECES_AT_ONCE = 8
_CACHE_REMEDY = "delete what is there, or choose another --home"
# How many names an error lists from a wrong URL: enough to recognise the place.
_NAMES_SHOWN = 5
_DIGEST = re.compile(r"[0-9a-f]{64}")


def _is_absent(error: FileNotFoundError) -> bool:
    """Whether the store said that the file does not exist; fsspec reports any failure of a web server that way."""
    cause = error.__cause__
    if isinstance(cause, ConnectionError | TimeoutError) or type(cause).__module__.partition(".")[0] == "aiohttp":
        return getattr(cause, "status", None) == 404
    return True


class RemoteStore:
    """The shards under `url`, laid out as in a home; keeps up to `cache_bytes` of shards in the home's cache.

    `url` may be anything that fsspec reads; addresses and credentials come from the usual environment variables and
    fsspec's configuration. May be pickled and forked: each process makes its own connection.
    """

    def __init__(self, url: str, home: Home, cache_bytes: int) -> None:
        require_readable(url)
        self.url = url
        self.cache = home.cache
        self.num_fetched = 0
        self.num_cache_hits = 0
        self._copies = home.cache / "remote" / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:12]
        self._cache = ShardCache(home.cache / "shards", cache_bytes)
        try:
            self._cache.trim()
        except OSError as error:
            raise IbDataError(f"the cache cannot be cut to {cache_bytes:,} bytes: {error}; {_CACHE_REMEDY}") from error
        self._of_their_size: set[str] = set()
        self._has_noted = False
        self._connection: tuple[int, Any, str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_connection": None, "num_fetched": 0, "num_cache_hits": 0}

    def folder(self, dataset: str, split: str) -> Path:
        """The local folder of a split, with its manifest and index as they are in the store now.

        Raises DataError if they cannot be read or are incomplete, and IbDataError if the copy cannot be written.
        """
        target = self._copies / dataset / split
        try:
            target.mkdir(parents=True, exist_ok=True)
            with FileLock(self._copies / f"{dataset}-{split}.lock"):
                self._fetch_manifest(target, dataset)
        except OSError as error:
            raise IbDataError(f"{target}: cannot be written: {os_error_line(error)}; {_CACHE_REMEDY}") from error
        return target

    def open(self, folder: Path, shard: Shard) -> int | None:
        """A descriptor of the cached copy, fetched if necessary; None if the cache has no room.

        Raises DataError for a shard that is missing or has the wrong size or checksum.
        """
        self._require_digest(folder, shard)
        try:
            descriptor = self._cached(folder, shard)
        except OSError as error:
            if not is_full(error):
                problem = f"the shard cannot be cached: {error}"
                place = str(self._cache.folder)
                raise DataError(folder.parent.name, problem, file=place, remedy=_CACHE_REMEDY) from error
            descriptor = None
        if descriptor is None:
            self._note_no_room(folder, shard)
        return descriptor

    def ranges(self, places: Sequence[Place]) -> list[bytes]:
        """The bytes at these places, read from the store and not cached."""
        for place in places:
            self._require_size(place.folder, place.shard)
        extents = ((place, place.extent.offset) for place in places)
        return self._read([(at.folder, at.shard.name, start, start + at.extent.num_bytes) for at, start in extents])

    def address(self, folder: Path, name: str) -> str:
        """The URL without its secrets; needs no connection."""
        return f"{self._shown}/{folder.parent.name}/{folder.name}/{name}"

    def remedy(self, dataset: str) -> str:
        """Advice to upload the split again."""
        return "upload the split again, manifest.json last"

    def require_layout(self, datasets: Collection[str]) -> None:
        """Raise IbDataError if the URL holds no folder of any of `datasets`, so it must be wrong.

        A store that cannot list (many web servers) is not checked.
        """
        try:
            names = {path.rstrip("/").rpartition("/")[2] for path in self._filesystem.ls(self._root, detail=False)}
        except (FileNotFoundError, NotADirectoryError):
            names = set()
        except Exception:
            return
        if names.isdisjoint(datasets):
            found = f"found {', '.join(sorted(names)[:_NAMES_SHOWN])}" if names else "there is nothing"
            expected = f"expected {self._shown}/DATASET/SPLIT/{MANIFEST}, as in a home's folder shards"
            raise IbDataError(one_line(f"{self._shown}: {found}; {expected}"))

    def _read(self, parts: Sequence[tuple[Path, str, int, int]]) -> list[bytes]:
        """The bytes of several parts (folder, name, start, end) of files, read concurrently."""
        columns = zip(*((self._path(folder, name), start, end) for folder, name, start, end in parts), strict=True)
        with self._reading(*parts[0][:2]):  # an error of the whole call; an error of one range names its place
            found = self._filesystem.cat_ranges(*map(list, columns), on_error="return")
        for (folder, name, *_), data in zip(parts, found, strict=True):
            with self._reading(folder, name):
                if isinstance(data, Exception):
                    raise data
        return [bytes(data) for data in found]

    def _fetch_manifest(self, target: Path, dataset: str) -> None:
        """Copy manifest and index if they differ from the store's; the manifest is moved into place last."""
        found = self._file(target, MANIFEST)
        if found is None:
            (target / MANIFEST).unlink(missing_ok=True)
            return
        has_both = (target / MANIFEST).is_file() and (target / INDEX).is_file()
        if not has_both or (target / MANIFEST).read_bytes() != found:
            new = self._copies / "new" / dataset / target.name
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            (new / MANIFEST).write_bytes(found)
            manifest = self._manifest(new)
            assert manifest is not None
            self._fetch_index(target, manifest, new / INDEX)
            # Not `replacing`, which places one file: the manifest goes last, and a copy that was cut in between has the
            # earlier manifest, is not equal to the store's, and is fetched again.
            (new / INDEX).replace(target / INDEX)
            (new / MANIFEST).replace(target / MANIFEST)

    def _manifest(self, copy: Path) -> Manifest | None:
        """The manifest in the copy of a split's folder; an error names the URL it came from."""
        remedy = "copy the split there again, manifest.json last"
        return read_manifest(copy, copy.parent.name, file=self.address(copy, MANIFEST), remedy=remedy)

    def _fetch_index(self, folder: Path, manifest: Manifest, path: Path) -> None:
        digest = hashlib.sha256()
        with self._reading(folder, INDEX):
            num_bytes = self._filesystem.size(self._path(folder, INDEX))
        with path.open("wb") as file:
            for piece in self._pieces(folder, INDEX, num_bytes):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != manifest.index_sha256:
            raise self._replaced(folder, INDEX, f"sha256 {manifest.index_sha256}", digest.hexdigest())

    def _file(self, folder: Path, name: str) -> bytes | None:
        """The bytes of a file next to the shards, or None if it is missing."""
        with self._reading(folder, name):
            try:
                return bytes(self._filesystem.cat_file(self._path(folder, name)))
            except FileNotFoundError as error:
                if not _is_absent(error):
                    raise
        return None

    def _cached(self, folder: Path, shard: Shard) -> int | None:
        """A descriptor of the copy in the cache, fetched if necessary; None if the cache has no room."""
        descriptor = self._cache.open(shard.sha256, shard.num_bytes)
        if descriptor is None:
            with self._cache.filling(shard.sha256):
                descriptor = self._cache.open(shard.sha256, shard.num_bytes)  # another process may have fetched it
                if descriptor is None:
                    return self._fetch_shard(folder, shard)
        self.num_cache_hits += 1
        return descriptor

    def _fetch_shard(self, folder: Path, shard: Shard) -> int | None:
        descriptor = self._cache.add(shard.sha256, shard.num_bytes, lambda: self._checked_pieces(folder, shard))
        if descriptor is not None:
            self.num_fetched += 1
        return descriptor

    def _note_no_room(self, folder: Path, shard: Shard) -> None:
        if not self._has_noted:
            self._has_noted = True
            note(
                f"{self.address(folder, shard.name)}: no room in {self._cache.folder} "
                f"(at most {self._cache.max_bytes:,} bytes, all of them in use, or the disk is full): "
                "what does not fit is read over the network each time"
            )

    def _checked_pieces(self, folder: Path, shard: Shard) -> Iterator[bytes]:
        """The bytes of a shard in pieces. Raises DataError after the last one if they do not match the manifest."""
        self._require_size(folder, shard)
        digest = hashlib.sha256()
        for piece in self._pieces(folder, shard.name, shard.num_bytes):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != shard.sha256:
            raise self._replaced(folder, shard.name, f"sha256 {shard.sha256}", digest.hexdigest())

    def _pieces(self, folder: Path, name: str, num_bytes: int) -> Iterator[bytes]:
        starts = list(range(0, num_bytes, _PIECE_BYTES))
        for first in range(0, len(starts), _PIECES_AT_ONCE):
            some = starts[first : first + _PIECES_AT_ONCE]
            yield from self._read([(folder, name, start, min(start + _PIECE_BYTES, num_bytes)) for start in some])

    def _require_size(self, folder: Path, shard: Shard) -> None:
        """Raise DataError if the file in the store does not have the manifest's size; asks once per shard."""
        path = self._path(folder, shard.name)
        if path in self._of_their_size:
            return
        with self._reading(folder, shard.name):
            found = self._filesystem.size(path)
        if found != shard.num_bytes:
            raise self._replaced(folder, shard.name, f"{shard.num_bytes:,} bytes", f"{found:,}")
        self._of_their_size.add(path)

    def _replaced(self, folder: Path, name: str, expected: str, found: str) -> DataError:
        problem = f"expected {expected} as the manifest says, found {found}"
        remedy = "it is damaged or of another build: upload the split again, manifest.json last"
        return DataError(folder.parent.name, problem, file=self.address(folder, name), remedy=remedy)

    def _require_digest(self, folder: Path, shard: Shard) -> None:
        """Raise DataError for a malformed checksum, since it becomes a file name here."""
        if not _DIGEST.fullmatch(shard.sha256):
            raise self._replaced(folder, shard.name, "a sha256 of 64 hex digits", repr(shard.sha256))

    def _path(self, folder: Path, name: str) -> str:
        return f"{self._root}/{folder.parent.name}/{folder.name}/{name}"

    @property
    def _shown(self) -> str:
        return without_secrets(self.url).rstrip("/")

    @contextmanager
    def _reading(self, folder: Path, name: str) -> Iterator[None]:
        """Turns what a file system raises, after its own retries, into one line."""
        try:
            yield
        except IbDataError:
            raise
        except Exception as error:
            dataset = folder.parent.name
            if isinstance(error, FileNotFoundError) and _is_absent(error):
                problem, remedy = "is missing in the object store", self.remedy(dataset)
                raise DataError(dataset, problem, file=self.address(folder, name), remedy=remedy) from error
            cause = error.__cause__ if isinstance(error, FileNotFoundError) else error
            problem = f"cannot be read: {type(cause).__name__}: {without_secrets(str(cause))}"
            remedy = "look at the address, the credentials and the network"
            raise DataError(dataset, problem, file=self.address(folder, name), remedy=remedy) from error

    @property
    def _filesystem(self) -> Any:
        return self._connected()[1]

    @property
    def _root(self) -> str:
        return self._connected()[2]

    def _connected(self) -> tuple[int, Any, str]:
        """Process, file system and root path; created per process, since its threads do not survive a fork."""
        if self._connection is None or self._connection[0] != os.getpid():
            from fsspec.core import url_to_fs

            try:
                filesystem, root = url_to_fs(self.url)
            except Exception as error:  # each protocol connects with its own library
                problem = f"{type(error).__name__}: {without_secrets(str(error))}"
                remedy = "look at the address, the credentials and the network"
                raise IbDataError(one_line(f"{self._shown}: cannot be reached: {problem}; {remedy}")) from error
            self._connection = os.getpid(), filesystem, root.rstrip("/") or "/"
        return self._connection
