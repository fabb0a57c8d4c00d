"""Clips of numbered frames for tests, written with PyAV: every frame is of one colour, by which it is known again."""

import io
import struct
from fractions import Fraction

import av
import numpy as np

STEP = 10
# The matrix in an MP4 header that turns what is shown, by degrees clockwise.
TURNS = {
    90: (0, 1, 0, -1, 0, 0, 0, 0, 0x4000),
    180: (-1, 0, 0, 0, -1, 0, 0, 0, 0x4000),
    270: (0, -1, 0, 1, 0, 0, 0, 0, 0x4000),
}


def clip(
    num_frames=20, *, container="mp4", codec="libx264", size=(96, 72), pixels="yuv420p", times_ms=None, b_frames=2,
    with_audio=False, options=None,
) -> bytes:  # fmt: skip
    """A clip; `times_ms` are the times of the frames, 100 ms apart where absent."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=10, options={"threads": "1", **(options or {})})
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.codec_context.gop_size = 6
        stream.codec_context.max_b_frames = b_frames
        if times_ms:
            stream.codec_context.time_base = Fraction(1, 1000)
        sound = file.add_stream("aac", rate=8000) if with_audio else None
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="rgb24")
            frame.pts = times_ms[number] if times_ms else number
            frame.time_base = Fraction(1, 1000) if times_ms else Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if sound:
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            tone.sample_rate = 8000
            file.mux([*sound.encode(tone), *sound.encode()])
    return out.getvalue()


def picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """One colour, with a white bar along the top by which a turn is seen."""
    array = np.full((size[1], size[0], 3), number * STEP % 250, np.uint8)
    array[: size[1] // 4] = 255
    return array


def turned(mp4: bytes, degrees: int) -> bytes:
    """The MP4 with a header that says it is to be shown turned, as telephones write it."""
    matrix = b"".join(struct.pack(">i", value * 65536) for value in TURNS[degrees])
    start = mp4.index(b"tkhd") + 44
    return mp4[:start] + matrix + mp4[start + 36 :]


def numbers(array: np.ndarray) -> list[int]:
    """The number of each frame, by its colour in the lower middle."""
    height, width = array.shape[1:3]
    return [round(float(frame[height * 5 // 8, width // 2].mean()) / STEP) for frame in array]


def sequential(data: bytes) -> list[np.ndarray]:
    """Every frame as decoded from the start: what `frames` must agree with."""
    with av.open(io.BytesIO(data)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
