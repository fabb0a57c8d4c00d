"""Frames of a clip, spread evenly over it: the same ones whichever of two decoders reads them.

A clip is cut into equal segments and the middle frame of each is taken, counted in frames and not in seconds, so that
a variable frame rate changes nothing. What the frames are is defined by FFmpeg decoding the clip from its start.

decord decodes where it is installed and knows the kind of clip, PyAV elsewhere. decord 0.6.0 gives other frames, or
none, of AVI, HEVC, AV1, more than 8 bits, quarter turns and edit lists, and now and then after a seek; so it is asked
for the rest only, and reads from the start. That makes it the slower one: 0.37 s for 4 of 828 frames of 480 x 360,
where PyAV, whose seeks are exact, takes 0.16 s and, from the start, 0.31 s (two cores of an AMD EPYC).
"""

import bisect
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ib_data.errors import IbDataError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PYAV_REMEDY = "clips need PyAV: pip install 'ib-data[video]'"
NUM_FRAMES = 4  # a clip, in the paper (arXiv 2305.06500)
MAX_PIXELS = 40_000_000  # a frame; 8K is 33 million
# A clip that holds less than this part of the time it announces is cut short.
_WHOLE = Fraction(9, 10)
# Containers whose packets all have a time, by which a frame is found again after a seek.
_MATROSKA = "matroska,webm"
_TIMED_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", _MATROSKA)
# Where, in a timed container, decord 0.6.0 and PyAV give the same frames.
_DECORD_CODECS = ("h264", "vp8", "vp9")
_DECORD_FORMATS = ("yuv420p", "yuvj420p")


class ClipError(IbDataError):
    """A clip that does not open, or is not whole; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What a clip is: FFmpeg's names of container, codec and pixel format, and the number of coded frames.

    `width` and `height` in pixels as shown; `quarter_turns` are those that the player makes, counterclockwise, 0 to 3.
    `times` are those of the frames, rising, in the container's own unit, and `key_frames` the numbers (from 0) of those
    at which decoding may begin; both are empty where it may not begin just anywhere.
    """

    container: str
    codec: str
    pixel_format: str
    num_frames: int
    times: tuple[int, ...]
    key_frames: tuple[int, ...]
    width: int
    height: int
    quarter_turns: int


def has_pyav() -> bool:
    """Whether PyAV is installed; it is not imported for that."""
    return find_spec("av") is not None


def need_pyav() -> Any:
    """The module `av`; MissingExtraError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(PYAV_REMEDY) from error
    return av


def frames(data: bytes, count: int = NUM_FRAMES) -> "NDArray[np.uint8]":
    """`count` frames of the clip in `data`, in their order: uint8 (count, height, width, 3), RGB, turned as shown.

    A clip of fewer frames gives some of them several times. Raises ClipError for a clip that is broken, ValueError for
    a count below 1, and MissingExtraError without PyAV.
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1, found {count}")
    clip = inspect(data)
    return _by_decord(data, clip, count) if _decord_agrees(clip) else by_pyav(data, clip, count)


def inspect(data: bytes) -> Clip:
    """What the clip in `data` is, after reading every packet and decoding its first frame; ClipError if it is broken.

    Sound, pictures of a cover and further video tracks are passed over.
    """
    av = need_pyav()
    if not data:
        raise ClipError("the file is empty")
    try:
        with av.open(io.BytesIO(data)) as container:
            stream = _stream(container)
            first = next(_decoded(container, stream), None)
            if first is None:
                raise ClipError("is not a whole clip (no frame can be decoded)")
            if first.width * first.height > MAX_PIXELS:
                raise ClipError(f"{first.width} x {first.height} pixels: refused as a size bomb")
            name, codec = container.format.name, stream.codec_context.name
        turns = round(first.rotation / 90) % 4
        size = (first.width, first.height) if turns % 2 == 0 else (first.height, first.width)
        with av.open(io.BytesIO(data)) as container:
            num_frames, times, key_frames = _read_packets(container)
    except av.error.FFmpegError as error:
        raise ClipError(f"is not a whole clip ({error.strerror or error})") from error
    return Clip(
        container=name,
        codec=codec,
        pixel_format=first.format.name,
        num_frames=num_frames,
        times=times,
        key_frames=key_frames,
        width=size[0],
        height=size[1],
        quarter_turns=turns,
    )


def middles(num_frames: int, count: int) -> list[int]:
    """The frames (from 0) in the middle of `count` equal segments of a clip."""
    return [(2 * i + 1) * num_frames // (2 * count) for i in range(count)]


def by_pyav(data: bytes, clip: Clip, count: int) -> "NDArray[np.uint8]":
    """The frames by PyAV: from the key frame before each where that is exact, else from the start."""
    import numpy as np

    wanted = middles(clip.num_frames, count)
    taken = _seek(data, clip, wanted)
    if taken is None:
        num_decoded, taken = _take(data, clip, wanted)
        if num_decoded != clip.num_frames:  # packets without a picture, as in old AVI files, or damaged ones
            wanted = middles(num_decoded, count)
            _, taken = _take(data, clip, wanted)
    return np.stack([np.rot90(taken[i], clip.quarter_turns) for i in wanted])


def _by_decord(data: bytes, clip: Clip, count: int) -> "NDArray[np.uint8]":
    """The frames by decord; by PyAV where the two count differently, or decord fails or gives no RGB."""
    import decord
    import numpy as np

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


def _decord_agrees(clip: Clip) -> bool:
    """Whether decord is here, and is known to give the same frames of such a clip."""
    try:
        import decord  # noqa: F401
    except (ImportError, OSError):  # OSError: a wheel of another platform
        return False
    return (
        clip.container in _TIMED_CONTAINERS
        and clip.codec in _DECORD_CODECS
        and clip.pixel_format in _DECORD_FORMATS
        and clip.quarter_turns == 0
    )


def _stream(container: Any) -> Any:
    stream = container.streams.best("video")
    if stream is None:
        raise ClipError(f"holds no video ({container.format.name})")
    return stream


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Every frame that decodes. A damaged packet gives none, as in FFmpeg's own tools."""
    av = need_pyav()
    for packet in container.demux(stream):
        try:
            found = packet.decode()
        except av.error.InvalidDataError:
            continue
        yield from found


def _read_packets(container: Any) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """The number of packets of a picture, their times, and the numbers of the key frames, as `Clip` has them.

    ClipError where the packets end long before the time that the clip announces.
    """
    stream = _stream(container)
    is_matroska = container.format.name == _MATROSKA
    tracks: dict[int, list[Any]] = {stream.index: []}
    for packet in container.demux() if is_matroska else container.demux(stream):
        if packet.size and not packet.is_discard:
            tracks.setdefault(packet.stream.index, []).append(packet)
    packets = tracks[stream.index]
    times = sorted(p.pts for p in packets if p.pts is not None)
    if is_matroska and times:
        # It announces the end of its longest track, counted from 0 whenever the first begins.
        announced = Fraction((container.duration or 0) - (container.start_time or 0), 1_000_000)
        spans = [_span(track, announced) for track in tracks.values() if any(p.pts is not None for p in track)]
        _check_held(max(end for _, end in spans) - min(start for start, _ in spans), announced)
    elif stream.duration and times:
        start, end = _span(packets, stream.duration * stream.time_base)
        _check_held(end - start, stream.duration * stream.time_base)
    if container.format.name not in _TIMED_CONTAINERS or len(set(times)) < len(packets):
        return len(packets), (), ()
    # A picture that follows a key frame and is shown before it leans on the pictures before that key frame.
    keys: list[int | None] = []
    for packet in packets:
        keys.append(packet.pts if packet.is_keyframe else keys[-1] if keys else None)
    if any(key is None or packet.pts < key for packet, key in zip(packets, keys, strict=True)):
        return len(packets), (), ()
    key_times = set(keys)
    return len(packets), tuple(times), tuple(number for number, time in enumerate(times) if time in key_times)


def _span(packets: Sequence[Any], announced: Fraction) -> tuple[Fraction, Fraction]:
    """Start and end of a track in seconds. Its last packet stands as long as it says, or as the longest before it."""
    last = {packet.pts: packet.duration for packet in packets if packet.pts is not None}
    times = sorted(last)
    unit = Fraction(packets[0].time_base)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    stands = last[times[-1]] or max(gaps, default=announced / unit)
    return times[0] * unit, (times[-1] + stands) * unit


def _check_held(held: Fraction, announced: Fraction) -> None:
    if held < _WHOLE * announced:
        raise ClipError(f"is cut short: it holds {float(held / announced):.0%} of the time it announces")


def _seek(data: bytes, clip: Clip, wanted: Sequence[int]) -> "dict[int, NDArray[np.uint8]] | None":
    """The frames of the wanted numbers (rising), as `_take`; None where one of them cannot be found in this way."""
    av = need_pyav()
    if not clip.key_frames:
        return None
    taken: dict[int, NDArray[np.uint8]] = {}
    at = -1  # the last frame that was read
    try:
        with av.open(io.BytesIO(data)) as container:
            stream = _stream(container)
            decoded: Iterator[Any] = iter(())
            for number in dict.fromkeys(wanted):
                key = clip.key_frames[bisect.bisect_right(clip.key_frames, number) - 1]
                if at < 0 or key > at:
                    container.seek(clip.times[key], stream=stream)
                    decoded = _decoded(container, stream)
                frame = next((frame for frame in decoded if frame.pts == clip.times[number]), None)
                if frame is None:
                    return None
                taken[number], at = _pixels(frame, clip), number
    except av.error.FFmpegError:
        return None  # reading from the start finds what there is, or says what is wrong
    return taken


def _take(data: bytes, clip: Clip, wanted: Sequence[int]) -> "tuple[int, dict[int, NDArray[np.uint8]]]":
    """The number of frames that decode, and those of the wanted numbers as RGB arrays of the first frame's size."""
    av = need_pyav()
    taken: dict[int, NDArray[np.uint8]] = {}
    number = -1
    try:
        with av.open(io.BytesIO(data)) as container:
            for number, frame in enumerate(_decoded(container, _stream(container))):
                if number in wanted:
                    taken[number] = _pixels(frame, clip)
    except av.error.FFmpegError as error:
        raise ClipError(f"is not a whole clip ({error.strerror or error})") from error
    return number + 1, taken


def _pixels(frame: Any, clip: Clip) -> "NDArray[np.uint8]":
    """The frame as RGB, not turned, of the size of the first one: in some clips the size changes."""
    width, height = (clip.width, clip.height) if clip.quarter_turns % 2 == 0 else (clip.height, clip.width)
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24", width=width, height=height)
    return pixels
