"""PNG files, reduced to what their pixels need.

Texts and colour profiles of any length are passed over, where Pillow stops at 1 MB, and so are later frames. The
checksums of what is needed are compared, which Pillow leaves out for the pixels themselves: a flipped bit is found.
"""

import zlib

from ib_data.media.faults import MediaError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FRAME = 12  # bytes of length, name and checksum around what a chunk holds
_TRANSPARENCY = b"tRNS"
_PIXELS = b"IDAT"
_END = b"IEND"


def needed_chunks(data: bytes) -> bytes:
    """The PNG file without the chunks that its pixels do not need; what is cut short stays so.

    MediaError where the checksum of a needed chunk is not that of its bytes.
    """
    view = memoryview(data)
    kept: list[memoryview | bytes] = [SIGNATURE]
    position = len(SIGNATURE)
    while position < len(data):
        name = data[position + 4 : position + 8]
        end = position + _FRAME + int.from_bytes(view[position : position + 4], "big")
        if end > len(data) or not name.isalpha():
            if name == _PIXELS or not name.isalpha():
                kept.append(view[position:])
            break
        # A capital letter: no image can be shown without this chunk.
        if name[:1].isupper() or name == _TRANSPARENCY:
            if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
                raise MediaError(f"is not a whole picture (checksum of {name.decode('ascii')})")
            kept.append(view[position:end])
        if name == _END:
            break
        position = end
    return b"".join(kept)
