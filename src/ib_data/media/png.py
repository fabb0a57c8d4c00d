"""PNG files, reduced to the chunks that their pixels need.

Skips texts and colour profiles of any length (Pillow stops at 1 MB) and later frames. Verifies the checksums of the
needed chunks, which Pillow does not do for pixel data, so a flipped bit is found.
"""

import struct
import zlib

from ib_data.media.faults import MediaError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">I4s")  # length and name of a chunk
_CHECKSUM_BYTES = 4
_TRANSPARENCY = b"tRNS"
_PIXELS = b"IDAT"
_END = b"IEND"
_SMALL = ord("a")


def needed_chunks(data: bytes) -> bytes:
    """The PNG file without the chunks that its pixels do not need; a truncated file stays truncated.

    Raises MediaError if the checksum of a needed chunk does not match its bytes.
    """
    view = memoryview(data)
    kept: list[memoryview | bytes] = [SIGNATURE]
    position, name = len(SIGNATURE), b""
    last = len(data) - _HEAD.size - _CHECKSUM_BYTES
    while name != _END and position <= last:
        length, name = _HEAD.unpack_from(data, position)
        end = position + _HEAD.size + length
        if end + _CHECKSUM_BYTES > len(data) or not name.isalpha():
            break
        # A capital letter marks a chunk without which the image cannot be shown.
        if name[0] < _SMALL or name == _TRANSPARENCY:
            if zlib.crc32(view[position + 4 : end]).to_bytes(4, "big") != data[end : end + 4]:
                raise MediaError(f"is not a whole image (checksum of {name.decode('ascii')})")
            kept.append(view[position : end + 4])
        position = end + 4
    # An incomplete chunk is left for Pillow to reject, unless it is not needed.
    if name != _END and (name == _PIXELS or not name.isalpha()):
        kept.append(view[position:])
    return b"".join(kept)
