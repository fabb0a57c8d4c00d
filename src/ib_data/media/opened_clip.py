"""Verifies that a clip opens, and gives its size, format and checksum."""

import hashlib

from ib_data.media.faults import MediaError
from ib_data.media.frames import inspect
from ib_data.media.opened_image import Opened

# FFmpeg's names of containers -> the extension a shard member gets.
EXTENSIONS = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "mkv", "avi": "avi"}


def open_clip(data: bytes) -> Opened:
    """The clip in `data`, after reading all of it and decoding its first frame; width and height in pixels as shown.

    Raises MediaError for a file that is empty, cut short, not a clip of a known kind, or without a frame that decodes,
    and MissingExtraError if PyAV is not installed.
    """
    clip = inspect(data)
    if clip.container not in EXTENSIONS:
        raise MediaError(f"is no clip of a known kind ({clip.container})")
    size, digest = (clip.width, clip.height), hashlib.sha256(data).hexdigest()
    return Opened(data, EXTENSIONS[clip.container], *size, digest, source_px=size)
