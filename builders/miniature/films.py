"""Scenes as a clip. One version of PyAV makes the same bytes from the same scenes; another may make others."""

import io
from collections.abc import Sequence

from ib_data.builders.miniature.photos import paint
from ib_data.builders.miniature.world import Scene
from ib_data.frames import need_pyav

FRAMES_PER_S = 8
# One thread and no version in the file: what else decides the bytes is the encoder.
_CODEC = {"threads": "1", "preset": "veryfast", "crf": "18"}
_BITS_PER_S = 600_000


def encode(scenes: Sequence[Scene], container: str) -> bytes:
    """The clip of `scenes`, a frame each, in FFmpeg's container `mp4` (H.264) or `avi` (MPEG-4 part 2), without sound.

    MPEG-4 part 2 also where this build of PyAV has no encoder for H.264.
    """
    av = need_pyav()
    is_h264 = container != "avi" and "libx264" in av.codec.codecs_available
    out = io.BytesIO()
    with av.open(out, "w", format=container, options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("libx264" if is_h264 else "mpeg4", rate=FRAMES_PER_S)
        stream.width, stream.height = scenes[0].width, scenes[0].height
        stream.pix_fmt = "yuv420p"
        stream.options = _CODEC if is_h264 else {"threads": "1"}
        if not is_h264:
            stream.bit_rate = _BITS_PER_S
        for number, scene in enumerate(scenes):
            frame = av.VideoFrame.from_image(paint(scene))
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return out.getvalue()
