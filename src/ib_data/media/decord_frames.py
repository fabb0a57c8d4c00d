"""Frames of a clip by decord, for those who ask for it: the same ones as PyAV gives.

decord 0.6.0 gives other frames, or none, of AVI, HEVC, AV1, more than 8 bits, quarter turns and edit lists, and now and
then after a seek; so it is asked for the rest only, and reads from the start. That makes it the slower one: 0.37 s for
4 of 828 frames of 480 x 360, where PyAV, whose seeks are exact, takes 0.16 s and, from the start, 0.31 s (two cores of
an AMD EPYC).
"""

import io

import decord
import numpy as np
from numpy.typing import NDArray

from ib_data.media.frames import TIMED_CONTAINERS, Clip, by_pyav, middles

# Where, in a timed container, decord 0.6.0 and PyAV give the same frames.
_CODECS = ("h264", "vp8", "vp9")
_FORMATS = ("yuv420p", "yuvj420p")


def by_decord(data: bytes, clip: Clip, count: int) -> NDArray[np.uint8]:
    """The frames by decord; by PyAV where decord does not know the kind, counts differently, fails or gives no RGB."""
    if not _agrees(clip):
        return by_pyav(data, clip, count)
    decord.logging.set_level(decord.logging.QUIET)
    wanted = middles(clip.num_frames, count)
    try:
        reader = decord.VideoReader(io.BytesIO(data), num_threads=1)
        if len(reader) == clip.num_frames:
            taken = {}
            for number in range(wanted[-1] + 1):
                frame = reader.next()
                if number in wanted:
                    taken[number] = frame.asnumpy()
            # Of some widths, as 72, it gives four channels, and they hold no picture.
            if all(frame.shape == (clip.height, clip.width, 3) for frame in taken.values()):
                return np.stack([taken[i] for i in wanted])
    except (RuntimeError, StopIteration, decord.DECORDError):
        # PyAV decodes what decord cannot, or says better why it cannot.
        return by_pyav(data, clip, count)
    return by_pyav(data, clip, count)


def _agrees(clip: Clip) -> bool:
    """Whether decord is known to give the same frames of such a clip."""
    return (
        clip.container in TIMED_CONTAINERS
        and clip.codec in _CODECS
        and clip.pixel_format in _FORMATS
        and clip.quarter_turns == 0
    )
