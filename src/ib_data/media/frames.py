"""Evenly spaced frames of a clip, the same for both decoders.

A clip is cut into equal segments and the middle frame of each is taken. Segments are counted in frames, not seconds,
so a variable frame rate does not matter. FFmpeg decoding the clip from its start defines the frames.

PyAV decodes, or decord if IB_DATA_VIDEO asks for it; see `decord_frames`.
"""

import bisect
import io
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ib_data.errors import IbDataError, MissingExtraError, quoted
from ib_data.media.faults import MediaError, check_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PYAV_REMEDY = "clips need PyAV: pip install 'ib-data[video]'"
NUM_FRAMES = 4  # per clip, as in the paper (arXiv 2305.06500)
# The decoders of clips, chosen by an environment variable; the first is the default.
VARIABLE = "IB_DATA_VIDEO"
DECODERS = ("pyav", "decord")
# A clip that holds less than this share of its announced duration is cut short.
_WHOLE = Fraction(9, 10)
# Containers in which every packet has a time, by which a frame is found after a seek.
_MATROSKA = "matroska,webm"
TIMED_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", _MATROSKA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """Properties of a clip: FFmpeg's names of container, codec and pixel format, and the number of coded frames.

    `width` and `height` are in pixels as shown. `quarter_turns`, 0 to 3, is the rotation by the player,
    counterclockwise. `times` are the ascending times of the frames in the container's unit; `key_frames` are the
    numbers (from 0) of the frames at which decoding may begin. Both are empty if decoding must begin at the start.
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
    """Whether PyAV is installed; does not import it."""
    return find_spec("av") is not None


def need_pyav() -> Any:
    """The module `av`. Raises MissingExtraError if it is not installed."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(PYAV_REMEDY) from error
    return av


def frames(data: bytes, count: int = NUM_FRAMES) -> "NDArray[np.uint8]":
    """`count` frames of the clip in `data`, in order: uint8 (count, height, width, 3), RGB, rotated as shown.

    A shorter clip gives some frames several times. Raises MediaError for a broken clip, ValueError for a count below
    1, MissingExtraError without PyAV (or without decord if IB_DATA_VIDEO asks for it), and IbDataError if
    IB_DATA_VIDEO names no decoder.
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1, found {count}")
    if _decoder() == "decord":
        from ib_data.media.decord_frames import by_decord

        return by_decord(data, inspect(data), count)
    return by_pyav(data, inspect(data), count)


def inspect(data: bytes) -> Clip:
    """The properties of the clip in `data`, after reading every packet and decoding the first frame.

    Ignores sound, cover images and further video tracks. Raises MediaError for a broken clip.
    """
    av = need_pyav()
    if not data:
        raise MediaError("the file is empty")
    try:
        with av.open(io.BytesIO(data)) as container:
            stream = _stream(container)
            first = next(_decoded(container, stream), None)
            if first is None:
                raise MediaError("is not a whole clip (no frame can be decoded)")
            check_size(first.width, first.height)
            name, codec = container.format.name, stream.codec_context.name
        turns = round(first.rotation / 90) % 4
        size = (first.width, first.height) if turns % 2 == 0 else (first.height, first.width)
        with av.open(io.BytesIO(data)) as container:
            num_frames, times, key_frames = _read_packets(container)
    except av.error.FFmpegError as error:
        raise MediaError(f"is not a whole clip ({error.strerror or error})") from error
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
    """The numbers (from 0) of the frames in the middle of `count` equal segments of a clip."""
    return [(2 * i + 1) * num_frames // (2 * count) for i in range(count)]


def by_pyav(data: bytes, clip: Clip, count: int) -> "NDArray[np.uint8]":
    """The frames by PyAV: from the key frame before each if that is exact, else from the start."""
    import numpy as np

    wanted = middles(clip.num_frames, count)
    taken = _seek(data, clip, wanted)
    if taken is None:
        num_decoded, taken = _take(data, clip, wanted)
        if num_decoded != clip.num_frames:  # packets without an image, as in old AVI files, or damaged ones
            wanted = middles(num_decoded, count)
            _, taken = _take(data, clip, wanted)
    return np.stack([np.rot90(taken[i], clip.quarter_turns) for i in wanted])


def _decoder() -> str:
    """The decoder that the environment variable asks for."""
    name = os.environ.get(VARIABLE) or DECODERS[0]
    if name not in DECODERS:
        raise IbDataError(f"{VARIABLE}: expected {' or '.join(DECODERS)}, found {quoted(name)}")
    if name == "decord":
        try:
            import decord  # noqa: F401
        except (ImportError, OSError) as error:  # OSError: a wheel of another platform
            raise MissingExtraError(f"{VARIABLE}=decord needs decord: pip install 'ib-data[decord]'") from error
    return name


def _stream(container: Any) -> Any:
    stream = container.streams.best("video")
    if stream is None:
        raise MediaError(f"holds no video ({container.format.name})")
    return stream


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Every frame that decodes. Skips damaged packets, as FFmpeg's own tools do."""
    av = need_pyav()
    for packet in container.demux(stream):
        try:
            found = packet.decode()
        except av.error.InvalidDataError:
            continue
        yield from found


def _read_packets(container: Any) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """The number of packets with an image, their times, and the numbers of the key frames, as in `Clip`.

    Raises MediaError if the packets end long before the announced duration.
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
        # The announced duration is the end of the longest track, counted from 0 even if the first track begins later.
        announced = Fraction((container.duration or 0) - (container.start_time or 0), 1_000_000)
        spans = [_span(track, announced) for track in tracks.values() if any(p.pts is not None for p in track)]
        _check_held(max(end for _, end in spans) - min(start for start, _ in spans), announced)
    elif stream.duration and times:
        start, end = _span(packets, stream.duration * stream.time_base)
        _check_held(end - start, stream.duration * stream.time_base)
    if container.format.name not in TIMED_CONTAINERS or len(set(times)) < len(packets):
        return len(packets), (), ()
    # A frame that follows a key frame but is shown before it depends on frames before that key frame.
    keys: list[int | None] = []
    for packet in packets:
        keys.append(packet.pts if packet.is_keyframe else keys[-1] if keys else None)
    if any(key is None or packet.pts < key for packet, key in zip(packets, keys, strict=True)):
        return len(packets), (), ()
    key_times = set(keys)
    return len(packets), tuple(times), tuple(number for number, time in enumerate(times) if time in key_times)


def _span(packets: Sequence[Any], announced: Fraction) -> tuple[Fraction, Fraction]:
    """Start and end of a track in seconds. The last packet lasts as long as it says, or as the longest before it."""
    last = {packet.pts: packet.duration for packet in packets if packet.pts is not None}
    times = sorted(last)
    unit = Fraction(packets[0].time_base)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    stands = last[times[-1]] or max(gaps, default=announced / unit)
    return times[0] * unit, (times[-1] + stands) * unit


def _check_held(held: Fraction, announced: Fraction) -> None:
    if held < _WHOLE * announced:
        raise MediaError(f"is cut short: it holds {float(held / announced):.0%} of the time it announces")


def _seek(data: bytes, clip: Clip, wanted: Sequence[int]) -> "dict[int, NDArray[np.uint8]] | None":
    """The frames with the wanted numbers (ascending), as `_take` gives them; None if one cannot be found by seeking."""
    av = need_pyav()
    if not clip.key_frames:
        return None
    taken: dict[int, NDArray[np.uint8]] = {}
    at = -1  # the last frame read
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
        return None  # reading from the start finds the frames, or raises the error
    return taken


def _take(data: bytes, clip: Clip, wanted: Sequence[int]) -> "tuple[int, dict[int, NDArray[np.uint8]]]":
    """The number of frames that decode, and the wanted ones as RGB arrays of the first frame's size."""
    av = need_pyav()
    taken: dict[int, NDArray[np.uint8]] = {}
    number = -1
    try:
        with av.open(io.BytesIO(data)) as container:
            for number, frame in enumerate(_decoded(container, _stream(container))):
                if number in wanted:
                    taken[number] = _pixels(frame, clip)
    except av.error.FFmpegError as error:
        raise MediaError(f"is not a whole clip ({error.strerror or error})") from error
    return number + 1, taken


def _pixels(frame: Any, clip: Clip) -> "NDArray[np.uint8]":
    """The frame as RGB, not rotated, in the size of the first one: in some clips the size changes."""
    width, height = (clip.width, clip.height) if clip.quarter_turns % 2 == 0 else (clip.height, clip.width)
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24", width=width, height=height)
    return pixels
