"""Files of image features in one folder, up to a number of bytes, shared by all runs and ranks of a machine.

A file is named by what it was computed from: the folder says the encoder, the name says the pixels. So nothing goes
stale: another encoder, another normalisation or another crop of the image is another file. A file a feature, since
packed files measured no faster to read, and up to a third faster to write (0.6 to 0.7 against 0.8 to 1.0 ms for
724 KB, two cores of an AMD EPYC), which does not pay for an index of one's own.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from torch import Tensor

from ib_data.errors import os_error_line
from ib_data.media.clip_statistics import DEVIATION, MEAN
from ib_data.replacing import replacing
from ib_data.training.features.entry import from_bytes, num_bytes, to_bytes

Item = TypeVar("Item")
Result = TypeVar("Result")

_SUFFIX = ".features"
# Evicting lists the whole folder (0.7 s for 20,000 files), so it makes room for more than the next batch.
_KEPT_SHARE = 0.9
_NUM_THREADS = 4  # reading, writing and checksums release the interpreter


@dataclass(slots=True, kw_only=True)
class FeatureCounts:
    """What a cache did: images found and not found, files with damage, bytes read and written, files evicted."""

    num_hits: int = 0
    num_misses: int = 0
    num_damaged: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    num_evicted: int = 0

    def take(self) -> "FeatureCounts":
        """The counts since the last `take`; resets these to 0."""
        taken = FeatureCounts(**{field.name: getattr(self, field.name) for field in fields(self)})
        for field in fields(self):
            setattr(self, field.name, field.default)
        return taken


class FeatureCache:
    """The features of one encoder in `folder`, which holds at most `max_bytes` of all encoders together.

    What other processes are writing at the moment of an eviction is counted by the next `trim` only. If a file cannot
    be written, the cache says so once through `say` and writes no more; what it holds is still read.
    """

    def __init__(
        self, folder: Path, encoder_fingerprint: str, max_bytes: int, say: Callable[[str], None] = print
    ) -> None:
        inputs = f"{encoder_fingerprint} {MEAN} {DEVIATION}"
        self.folder = folder
        self.max_bytes = max_bytes
        self.counts = FeatureCounts()
        self._encoder = hashlib.sha256(inputs.encode()).hexdigest()
        self._total = folder / "bytes.txt"
        self._say = say
        self._is_writing = True

    def get(self, keys: Sequence[str]) -> list[Tensor | None]:
        """For each key the features, bfloat16 (P, W) on the CPU, or None where there are none or they are damaged."""
        found = _in_threads(self._read, keys)
        for features, size, is_damaged in found:
            self.counts.num_hits += features is not None
            self.counts.num_misses += features is None
            self.counts.num_damaged += is_damaged
            self.counts.read_bytes += size
        return [features for features, _, _ in found]

    def put(self, keys: Sequence[str], features: Tensor) -> None:
        """Keep `features`, bfloat16 (N, P, W) on the CPU, evicting the least recently used; what never fits is left."""
        size = num_bytes(*features.shape[1:])
        keys = keys[: self.max_bytes // size]
        if not (keys and self._is_writing):
            return
        try:
            self._reserve(len(keys) * size)
            written = _in_threads(self._write, list(zip(keys, features, strict=False)))
        except OSError as error:
            self._is_writing = False
            self._say(f"feature cache: {os_error_line(error)}. The run goes on; nothing more is added to the cache.")
            return
        self.counts.written_bytes += sum(written)

    def trim(self) -> None:
        """Count what is there and evict down to `max_bytes`. Raises OSError if the folder cannot be written."""
        if self.folder.is_dir():
            self._total.unlink(missing_ok=True)
            self._reserve(0)

    def path(self, key: str) -> Path:
        """The file of the image with this key; 256 folders keep each of them short."""
        return self.folder / self._encoder[:32] / key[:2] / f"{key}{_SUFFIX}"

    def _read(self, key: str) -> tuple[Tensor | None, int, bool]:
        """Features or None, bytes read, and whether the file is damaged."""
        path = self.path(key)
        try:
            entry = bytearray(path.stat().st_size)
            with path.open("rb", buffering=0) as file:
                size = file.readinto(entry)
        except FileNotFoundError:
            return None, 0, False
        except OSError:  # a fault of the disk: like damage, it costs one more encoding
            return None, 0, True
        features = from_bytes(entry, self._encoder + key) if size == len(entry) else None
        if features is not None:
            with suppress(OSError):  # another user's file, or evicted: only its last use is not recorded
                os.utime(path)
        return features, size or 0, features is None

    def _write(self, item: tuple[str, Tensor]) -> int:
        """Write one file; returns its size, or 0 if another process removed its folder."""
        key, features = item
        entry = to_bytes(features, self._encoder + key)
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Not flushed to disk: a file that a power loss cut short fails its checksum.
            with replacing(path, sync=False) as part:
                part.write_bytes(entry)
        except FileNotFoundError:
            return 0
        return len(entry)

    def _reserve(self, wanted_bytes: int) -> None:
        """Count `wanted_bytes` more in the folder's total, evicting if they do not fit."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "room.lock"):
            try:
                after = int(self._total.read_text()) + wanted_bytes
            except (FileNotFoundError, ValueError):  # a new folder, or a process killed while it wrote the number
                after = sum(size for _, size, _ in self._files()) + wanted_bytes
            if after > self.max_bytes:
                after = self._evict(wanted_bytes) + wanted_bytes
            self._total.write_text(str(after))

    def _evict(self, wanted_bytes: int) -> int:
        """Remove least recently used files until `wanted_bytes` fit well; returns the bytes left."""
        files = self._files()
        left = sum(size for _, size, _ in files)
        limit = max(0, int(self.max_bytes * _KEPT_SHARE) - wanted_bytes)
        for _, size, path in sorted(files):
            if left <= limit:
                break
            path.unlink(missing_ok=True)
            left -= size
            self.counts.num_evicted += 1
        return left

    def _files(self) -> list[tuple[int, int, Path]]:
        """Last use in ns, size and path of each file of any encoder, and of what killed writers left (`.part`)."""
        found = []
        for folder in self.folder.glob("*/*/"):
            with suppress(FileNotFoundError), os.scandir(folder) as files:
                for file in files:
                    with suppress(FileNotFoundError):  # renamed or removed meanwhile
                        status = file.stat()
                        found.append((status.st_mtime_ns, status.st_size, Path(file)))
        return found


def _in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    with ThreadPoolExecutor(max(1, min(_NUM_THREADS, len(items)))) as pool:
        return list(pool.map(function, items))
