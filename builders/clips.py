"""Proving that a clip opens, and what it is: size, format, checksum. PyAV reads what FFmpeg reads."""

import hashlib
import io

from ib_data.builders.pictures import MediaError, Opened
from ib_data.errors import IbDataError

# FFmpeg's names of containers -> the extension a shard member gets.
EXTENSIONS = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "mkv", "avi": "avi"}


def open_clip(data: bytes) -> Opened:
    """The clip in `data`, after decoding its first frame; width and height in pixels as shown (rotation applied).

    Raises MediaError for a file that is empty, no clip, or without a frame that decodes, and IbDataError where the
    extra is missing.
    """
    if not data:
        raise MediaError("the file is empty")
    try:
        import av
    except ImportError as error:
        raise IbDataError("clips need PyAV: pip install 'ib-data[video]'") from error
    try:
        with av.open(io.BytesIO(data), "r") as container:
            extension = EXTENSIONS.get(container.format.name)
            if extension is None or not container.streams.video:
                raise MediaError(f"is no clip of a known kind ({container.format.name})")
            frame = next(container.decode(video=0))
    except (av.error.FFmpegError, StopIteration) as error:
        raise MediaError(f"is not a whole clip ({error or 'no frame'})") from error
    return Opened(data, extension, frame.width, frame.height, hashlib.sha256(data).hexdigest())
