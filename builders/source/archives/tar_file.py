"""The members of a tar and the positions of their bytes.

`tarfile` parses the headers. This adds three things: a damaged or cut header is an error, where `tarfile` sees the end
of the archive; archives joined by `cat a.tar b.tar` are read beyond the first end mark; and no header can cause
unlimited reading.
"""

import multiprocessing
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from ib_data.builders.source.archives.unpacking import check_expansion
from ib_data.console import note

MAX_HEADER_BYTES = 16 * 1024**2  # for one long name or one list of pax fields
_PIECE_BYTES = 1024**2


@dataclass(slots=True)
class TarMember:
    """One member: its original name, and the position of its bytes. `crc32` is None until it is computed."""

    name: str
    is_file: bool
    is_folder: bool
    offset: int
    num_bytes: int
    crc32: int | None = None


class _Headers:
    """A stream that limits how much `tarfile` reads at once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        """At most MAX_HEADER_BYTES bytes."""
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self.stream.read(size)


def tar_members(stream: IO[bytes], what: str, num_packed: int, *, is_packed: bool) -> Iterator[TarMember]:
    """All members in archive order; `what` names the archive in notes, `num_packed` is the size of its file.

    With `is_packed` the stream is being unpacked, so the CRC-32 of every member is computed on the way and the
    checksums of the compression are verified. Raises SizeBombError, and errors of `tarfile` and of the unpacking.
    """
    start: int | None = 0
    while start is not None:
        stream.seek(start)
        tar = tarfile.TarFile(fileobj=_Headers(stream))  # type: ignore[arg-type]
        is_empty, end = True, start
        while (info := tar.next()) is not None:
            if info.size < 0 or info.offset < end:
                raise tarfile.ReadError("a header with a negative size")
            if info.issparse():
                raise tarfile.ReadError(f"{info.name!r} is a sparse file")
            is_empty, end = False, tar.offset
            check_expansion(num_packed, end)
            member = TarMember(info.name, info.isfile(), info.isdir(), info.offset_data, info.size)
            if is_packed and member.is_file:
                member.crc32 = crc32_of(stream, member)
            yield member
        if is_empty and start:
            _note(f"{what}: the bytes after its end mark, from byte {start:,}, are not a tar archive and are not read")
            return
        start = _next_start(stream, tar.offset, what, num_packed)


def crc32_of(stream: IO[bytes], member: TarMember) -> int:
    """The CRC-32 of the bytes of a member."""
    stream.seek(member.offset)
    crc, left = 0, member.num_bytes
    while left:
        piece = stream.read(min(left, _PIECE_BYTES))
        if not piece:
            raise EOFError(f"{member.name!r} ends {left:,} bytes too early")
        crc = zlib.crc32(piece, crc)
        left -= len(piece)
    return crc


def _next_start(stream: IO[bytes], position: int, what: str, num_packed: int) -> int | None:
    """The start of another tar after the end mark at `position`; None if nothing follows.

    Raises tarfile.ReadError if there is something else instead of an end mark.
    """
    stream.seek(position)
    begin = position
    while piece := stream.read(_PIECE_BYTES):
        rest = piece.lstrip(b"\0")
        if rest:
            found = begin + (len(piece) - len(rest)) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
            if found == position:
                raise tarfile.ReadError(f"no member header at byte {position:,}")
            return found
        begin += len(piece)
        check_expansion(num_packed, begin)
    if begin == position and position:
        _note(f"{what}: has no end mark; it may be cut short")
    return None


def _note(text: str) -> None:
    if multiprocessing.parent_process() is None:  # the workers of a build would repeat it
        note(text)
