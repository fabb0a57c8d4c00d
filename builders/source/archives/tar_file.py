"""The members of a tar and where their bytes are, also of archives from odd programs and of damaged ones.

`tarfile` parses the headers. Beyond what it does: a header that is damaged or cut off is an error, where `tarfile`
takes it for the end of the archive; what was joined by `cat a.tar b.tar` is read beyond the first end mark; and no
header makes it read without limit or for ever.
"""

import multiprocessing
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from ib_data.builders.source.archives.unpacking import check_expansion
from ib_data.console import note

MAX_HEADER_BYTES = 16 * 1024**2  # of one long name or one list of pax fields
_PIECE_BYTES = 1024**2


@dataclass(slots=True)
class TarMember:
    """One member: its name as written, and where its bytes are. `crc32` is None until it is computed."""

    name: str
    is_file: bool
    is_folder: bool
    offset: int
    num_bytes: int
    crc32: int | None = None


class _Headers:
    """The stream as `tarfile` may read it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        """At most MAX_HEADER_BYTES bytes."""
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self.stream.read(size)


def tar_members(stream: IO[bytes], what: str, num_packed: int, *, is_packed: bool) -> Iterator[TarMember]:
    """All members in the order of the archive; `what` names it in notes, `num_packed` is the size of its file.

    Where the stream unpacks (`is_packed`), its bytes pass by anyway: the CRC-32 of every member is computed, and the
    checksums of the packing are compared. Raises SizeBombError, and what `tarfile` and the unpacking raise.
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
            _note(f"{what}: what follows its end mark, from byte {start:,} on, is no tar archive and is not read")
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
    """Where another tar begins behind the end mark at `position`; None where nothing follows.

    Raises tarfile.ReadError where there is no end mark but something else.
    """
    stream.seek(position)
    begin = position
    while piece := stream.read(_PIECE_BYTES):
        rest = piece.lstrip(b"\0")
        if rest:
            found = begin + (len(piece) - len(rest)) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
            if found == position:
                raise tarfile.ReadError(f"no member's header at byte {position:,}")
            return found
        begin += len(piece)
        check_expansion(num_packed, begin)
    if begin == position and position:
        _note(f"{what}: ends without an end mark; it may be cut short")
    return None


def _note(text: str) -> None:
    if multiprocessing.parent_process() is None:  # the workers of a build would say it again
        note(text)
