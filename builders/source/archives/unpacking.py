"""A compressed file as a seekable stream of its unpacked bytes; for gzip without a copy on disk."""

import bz2
import io
import lzma
import os
import tempfile
import zlib
from bisect import bisect_right
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

# Annotation JSON compresses 5 to 20 times, zeros 1,000 times. Small files are not limited.
MAX_EXPANSION = 200
EXPANSION_FREE_BYTES = 64 * 1024**2
# gzip: zlib's state (some 40 kB) is saved at up to MAX_POINTS positions. When there are more, every other one is
# dropped: at 4.4 GB they are 3 MB apart, and a read out of order unpacks half of that.
MAX_POINTS = 2048
_SPACING_BYTES = 64 * 1024
_PACKED_BYTES = 16 * 1024  # zlib expands at most 1,032 times: 16 MB from one piece
_MEMORY_BYTES = 64 * 1024**2
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"


class SizeBombError(Exception):
    """A file expands too much; the message says how much."""


def check_expansion(packed: int, expanded: int) -> None:
    """Raise SizeBombError if `packed` bytes expand to `expanded`, more than any honest file."""
    if expanded > EXPANSION_FREE_BYTES and expanded > MAX_EXPANSION * max(packed, 1):
        raise SizeBombError(f"expands {packed:,} bytes to {expanded:,}: rejected as a size bomb")


def open_unpacked(path: Path) -> tuple[IO[bytes], bool]:
    """(seekable stream of the unpacked bytes, whether the file is compressed), decided by its first bytes."""
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(_GZIP):
        return io.BufferedReader(GzipReader(path), 64 * 1024), True
    if start.startswith(_BZIP2):
        return _unpacked(path, bz2.open), True
    if start.startswith(_XZ):
        return _unpacked(path, lzma.open), True
    return path.open("rb"), False


def _unpacked(path: Path, opener: Callable[[Path], Any]) -> IO[bytes]:
    """An unpacked temporary copy, on disk if it is large: bzip2 and xz cannot resume in the middle.

    Raises OSError if the disk of temporary files is full.
    """
    packed, expanded = path.stat().st_size, 0
    with ExitStack() as failing:
        copy = failing.enter_context(tempfile.SpooledTemporaryFile(_MEMORY_BYTES))
        with opener(path) as source:
            while piece := source.read(1024 * 1024):
                expanded += len(piece)
                check_expansion(packed, expanded)
                copy.write(piece)
        copy.seek(0)
        failing.pop_all()
    return copy


class GzipReader(io.RawIOBase):
    """A seekable gzip reader that saves zlib's state at some positions of the first pass.

    Reading to the end verifies the checksums; zlib.error and EOFError for a damaged or cut file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._positions: list[int] = [0]
        self._states: list[tuple[int, Any]] = [(0, _engine())]  # (position in the file, zlib state)
        self._spacing = _SPACING_BYTES
        self._position = 0
        self._is_at_end = False
        self._piece, self._piece_at = b"", 0
        self._packed_at, self._engine = 0, _engine()

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position in the unpacked bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position; the next read unpacks up to it."""
        if whence == os.SEEK_END:
            raise io.UnsupportedOperation("the end of a gzip file is unknown until it is read")
        position = offset + (self._position if whence == os.SEEK_CUR else 0)
        if position < 0:
            raise ValueError(f"a position before the start: {position}")
        self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        """Some bytes from the position; 0 at the end."""
        self._go_to_position()
        start = self._position - self._piece_at
        found = self._piece[start : start + len(buffer)]
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _go_to_position(self) -> None:
        """Unpack the piece that contains the position, or the last piece of the file."""
        nearest = bisect_right(self._positions, self._position) - 1
        is_behind = self._position < self._piece_at
        if is_behind or self._positions[nearest] > self._piece_at + len(self._piece):
            self._packed_at, engine = self._states[nearest]
            self._engine = engine.copy()
            self._piece, self._piece_at, self._is_at_end = b"", self._positions[nearest], False
        while self._position >= self._piece_at + len(self._piece) and not self._is_at_end:
            self._next_piece()

    def _next_piece(self) -> None:
        if self._engine.eof and not self._next_member():
            self._is_at_end = True
            return
        packed = os.pread(self._file.fileno(), _PACKED_BYTES, self._packed_at)
        if not packed:
            raise EOFError("the gzip file ends before its end mark")
        self._piece_at += len(self._piece)
        self._piece = self._engine.decompress(packed)
        self._packed_at += len(packed) - len(self._engine.unused_data)
        self._keep_state()

    def _next_member(self) -> bool:
        """Start the next gzip member in the file, as joined by `cat`; zeros may be between them."""
        while packed := os.pread(self._file.fileno(), _PACKED_BYTES, self._packed_at):
            rest = packed.lstrip(b"\0")
            self._packed_at += len(packed) - len(rest)
            if rest:
                self._engine = _engine()
                return True
        return False

    def _keep_state(self) -> None:
        position = self._piece_at + len(self._piece)
        if position < self._positions[-1] + self._spacing or self._engine.eof:
            return
        self._positions.append(position)
        self._states.append((self._packed_at, self._engine.copy()))
        if len(self._positions) > MAX_POINTS:
            self._positions, self._states = self._positions[::2], self._states[::2]
            self._spacing *= 2


def _engine() -> Any:
    return zlib.decompressobj(wbits=31)
