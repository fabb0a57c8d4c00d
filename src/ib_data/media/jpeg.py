"""JPEG files, decoded by libjpeg-turbo through simplejpeg, which reports the decoder's warnings.

Pillow ignores every warning: half a file with its end marker restored shows grey for the rest, and a flipped bit shows
wrong pixels. Here a file is valid if its coded data decode without a warning up to an end marker. Warnings about
anything else (bytes outside segments, metadata, an odd header) do not make an image invalid. But the decoder reports
only its first warning, so after such a one a copy without the harmless parts is decoded.

Bytes left over before the end marker are padding, which some cameras write, if all of them are equal. Otherwise they
are coded data that the decoder did not reach. Damage that decodes without a warning cannot be detected.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ib_data.media.faults import MediaError

SIGNATURE = b"\xff\xd8\xff"
LARGEST_DIVISOR = 8
# Warnings of libjpeg that are not about coded data, or need not be.
_HARMLESS = (
    "extraneous bytes before marker",
    "bad ICC marker",
    "Invalid SOS parameters for sequential",
    "unknown JFIF revision",
    "Unknown Adobe color transform",
)
_LEFT_OVER = re.compile("([0-9]+) extraneous bytes before marker 0xd9")
# simplejpeg's names of colour spaces -> the values to ask for.
_VALUES = {"Gray": "GRAY", "YCbCr": "RGB", "RGB": "RGB", "CMYK": "CMYK", "YCCK": "CMYK"}

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_PROGRESSIVE = (0xC2, 0xCA)
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
_JFIF, _ADOBE = 0xE0, 0xEE
_TRANSFORM = 11  # the byte of Adobe's segment that says how colours are stored
_METADATA = (*range(0xE0, 0xF0), 0xFE)
_NO_LENGTH = (0x01, *range(0xD0, 0xD9))
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
# The end of coded data: a marker that is neither a stuffed byte nor a restart.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_NUM_COEFFICIENTS = 64


class Header(NamedTuple):
    """Size in pixels, and the kind of values that decoding gives: GRAY, RGB or CMYK (as stored, so inverted)."""

    width: int
    height: int
    values: str


class _Segment(NamedTuple):
    """A marker, the body of its segment, and where the segment ends."""

    marker: int
    body: bytes
    end: int


def read_header(data: bytes) -> Header | None:
    """The header of a JPEG file; None if simplejpeg cannot decode its kind, such as odd sampling factors."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: its name for 4:4:1 is missing
        return None
    return Header(width, height, _VALUES[colours])


def decode(data: bytes, header: Header, divisor: int = 1) -> NDArray[np.uint8] | None:
    """The values, uint8 (H, W, channels), at 1 / divisor (1, 2, 4 or 8) of the size; always reads every coded byte.

    None if simplejpeg cannot decode the kind. Raises MediaError for a damaged file.
    """
    try:
        values = _decoded(data, header, divisor, strict=True)
    except ValueError as error:
        complaint = str(error)
        if any(harmless in complaint for harmless in _HARMLESS):
            values = _decoded_bare(_bare(data), header, divisor)
        else:
            try:
                _decoded(data, header, LARGEST_DIVISOR, strict=False)
            except ValueError:
                return None
            raise MediaError(f"is not a whole image ({complaint})") from error
    _check_scans(data)
    return values


def _decoded(data: bytes, header: Header, divisor: int, *, strict: bool) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data,
        header.values,
        min_height=math.ceil(header.height / divisor),
        min_width=math.ceil(header.width / divisor),
        min_factor=divisor,
        strict=strict,
    )
    return values


def _decoded_bare(bare: bytes, header: Header, divisor: int) -> NDArray[np.uint8]:
    """Like `_decoded`, for a file of coded data only. Raises MediaError if the decoder still warns."""
    try:
        return _decoded(bare, header, divisor, strict=True)
    except ValueError as error:
        complaint = str(error)
    # The end marker is read last, so this first warning is the only one.
    left_over = _LEFT_OVER.search(complaint)
    if left_over and len(set(bare[:-2].rstrip(b"\xff")[-int(left_over[1]) :])) == 1:
        return _decoded(bare, header, divisor, strict=False)
    raise MediaError(f"is not a whole image ({complaint})")


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments up to the end marker, without the bytes between segments."""
    position = 2
    while (found := _MARKER.search(data, position)) is not None:
        marker, position = found[1][0], found.end()
        if marker in _NO_LENGTH:
            continue
        if marker == _END:
            yield _Segment(marker, b"", position)
            return
        end = position + int.from_bytes(data[position : position + 2], "big")
        yield _Segment(marker, data[position + 2 : end], end)
        position = _end_of_scan(data, end) if marker == _SCAN else end


def _end_of_scan(data: bytes, start: int) -> int:
    after = _AFTER_SCAN.search(data, start)
    return len(data) if after is None else after.start()


def _bare(data: bytes) -> bytes:
    """The file without stray bytes, without metadata other than colour information, and with normal headers."""
    copy = [bytes([0xFF, _START])]
    is_progressive = False
    num_components = next((body[5] for marker, body, _ in _segments(data) if marker in _FRAMES), 0)
    for marker, body, end in _segments(data):
        is_progressive |= marker in _PROGRESSIVE
        if marker == _END:
            copy.append(bytes([0xFF, _END]))
        elif marker == _SCAN:
            said = body if is_progressive else body[:-3] + bytes([0, _NUM_COEFFICIENTS - 1, 0])
            copy += [_header(marker, said), data[end : _end_of_scan(data, end)]]
        elif marker == _JFIF and body.startswith(b"JFIF\0"):
            copy.append(_header(marker, body[:5] + b"\1\1" + body[7:]))
        elif marker == _ADOBE and body.startswith(b"Adobe") and len(body) > _TRANSFORM:
            is_known = body[_TRANSFORM] in (0, num_components - 2)  # 1 of three, 2 of four
            transform = body[_TRANSFORM] if is_known else num_components - 2 & 0xFF  # what libjpeg assumes
            copy.append(_header(marker, body[:_TRANSFORM] + bytes([transform]) + body[_TRANSFORM + 1 :]))
        elif marker not in _METADATA:
            copy.append(_header(marker, body))
    return b"".join(copy)


def _header(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _check_scans(data: bytes) -> None:
    """Raise MediaError for a file that lacks some of its scans: the decoder shows the others without a warning."""
    missing: dict[int, list[bool]] = {}
    is_progressive = False
    for marker, body, _ in _segments(data):
        if marker in _FRAMES:
            is_progressive = marker in _PROGRESSIVE
            missing = {number: [True] * _NUM_COEFFICIENTS for number in body[6 : 6 + 3 * body[5] : 3]}
        elif marker == _SCAN:
            num_components = body[0]
            if not is_progressive and num_components == len(missing):
                return
            first, last, bits = body[1 + 2 * num_components :][:3] if is_progressive else (0, 63, 0)
            for number in body[1 : 1 + 2 * num_components : 2]:
                missing[number][first : last + 1] = [bits & 15 > 0] * (last + 1 - first)
    if any(any(of) for of in missing.values()):
        raise MediaError("is not a whole image (some of its scans are missing)")
