"""Frames of a clip: correct for every kind of clip, and equal from both decoders."""

import dataclasses
import importlib.util
import io
import sys

import av
import numpy as np
import pytest
from toy_clips import clip, numbers, sequential, turned

from ib_data.errors import IbDataError, MissingExtraError
from ib_data.media import faults
from ib_data.media.faults import MediaError
from ib_data.media.frames import by_pyav, frames, inspect, middles

IRREGULAR_MS = [
    0,
    10,
    200,
    210,
    220,
    230,
    900,
    950,
    1000,
    1100,
    1101,
    1102,
    1103,
    1300,
    1400,
    1500,
    1600,
    1700,
    2500,
    4000,
]
LATE_MS = [20_000 + 100 * i for i in range(20)]  # at 20 s: ten times as late as the clip is long
CLIPS = {
    "mp4": {},
    "two frames": {"num_frames": 2},
    "one frame": {"num_frames": 1},
    "variable frame rate": {"times_ms": IRREGULAR_MS},
    "variable frame rate in matroska": {"times_ms": IRREGULAR_MS, "container": "matroska"},
    "late start": {"times_ms": [5000 + 100 * i for i in range(20)]},
    "matroska that begins late": {"times_ms": LATE_MS, "container": "matroska"},
    "webm that begins late": {"times_ms": LATE_MS, "container": "webm", "codec": "libvpx-vp9"},
    "matroska with sound": {"num_frames": 90, "container": "matroska", "with_audio": True},
    "open groups": {"options": {"x264-params": "open-gop=1:keyint=6"}},
    "matroska without a count": {"container": "matroska"},
    "webm": {"container": "webm", "codec": "libvpx-vp9"},
    "vp8": {"container": "webm", "codec": "libvpx"},
    "avi": {"container": "avi", "codec": "mpeg4", "b_frames": 0},
    "avi with b-frames": {"container": "avi", "codec": "mpeg4"},
    "h264 in avi": {"container": "avi"},
    "motion jpeg": {"container": "avi", "codec": "mjpeg", "pixels": "yuvj420p", "b_frames": 0},
    "mpeg4 in mp4": {"codec": "mpeg4"},
    "hevc": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "ten bits": {"pixels": "yuv420p10le"},
    "full range": {"pixels": "yuvj420p"},
    "grey": {"pixels": "gray"},
    "portrait": {"size": (72, 96)},
    "with sound": {"with_audio": True},
    "long": {"num_frames": 90},
    "long avi": {"num_frames": 90, "container": "avi", "codec": "mpeg4"},
    "long matroska": {"num_frames": 90, "container": "matroska"},
}  # fmt: skip
HAS_DECORD = importlib.util.find_spec("decord") is not None
needs_decord = pytest.mark.skipif(not HAS_DECORD, reason="decord has no wheel here; PyAV alone decodes")


@pytest.fixture(scope="module")
def clips() -> dict[str, bytes]:
    return {name: clip(**options) for name, options in CLIPS.items()}


@pytest.fixture
def by_decord(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IB_DATA_VIDEO", "decord")


@pytest.fixture(autouse=True)
def by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IB_DATA_VIDEO", raising=False)


def test_the_middles_of_equal_segments() -> None:
    assert middles(20, 4) == [2, 7, 12, 17]
    assert middles(4, 4) == [0, 1, 2, 3]
    assert middles(1, 4) == [0, 0, 0, 0]
    assert middles(2, 4) == [0, 0, 1, 1]
    assert middles(9, 1) == [4]
    assert middles(3, 5) == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("count", [1, 4, 7])
def test_pyav_gives_the_frames_that_decoding_from_the_start_gives(clips, name: str, count: int) -> None:
    every = sequential(clips[name])
    found = frames(clips[name], count)
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.stack([every[i] for i in middles(len(every), count)]))


@needs_decord
@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("count", [1, 4, 7])
def test_both_decoders_give_the_same_frames(clips, by_decord, name: str, count: int) -> None:
    every = sequential(clips[name])
    assert np.array_equal(frames(clips[name], count), np.stack([every[i] for i in middles(len(every), count)]))


@needs_decord
def test_decord_decodes_what_most_clips_are(clips, by_decord, monkeypatch) -> None:
    monkeypatch.setattr("ib_data.media.decord_frames.by_pyav", None)
    assert numbers(frames(clips["mp4"])) == [2, 7, 12, 17]
    assert numbers(frames(clips["webm"])) == [2, 7, 12, 17]


@needs_decord
def test_what_decord_cannot_read_pyav_does(clips, by_decord, monkeypatch) -> None:
    import decord

    def fails(*_args: object, **_options: object) -> None:
        raise decord.DECORDError("cannot")

    monkeypatch.setattr(decord, "VideoReader", fails)
    assert numbers(frames(clips["mp4"])) == [2, 7, 12, 17]


def test_pyav_is_the_default_and_the_environment_names_the_decoder(clips, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)
    for name in ("", "pyav"):
        monkeypatch.setenv("IB_DATA_VIDEO", name)
        assert numbers(frames(clips["mp4"])) == [2, 7, 12, 17]
    monkeypatch.setenv("IB_DATA_VIDEO", "decord")
    with pytest.raises(MissingExtraError, match=r"IB_DATA_VIDEO=decord needs decord: pip install 'ib-data\[decord\]'"):
        frames(clips["mp4"])
    monkeypatch.setenv("IB_DATA_VIDEO", "opencv")
    with pytest.raises(IbDataError, match=r"^IB_DATA_VIDEO: expected pyav or decord, found 'opencv'$"):
        frames(clips["mp4"])


def test_four_frames_by_default_in_order(clips) -> None:
    assert frames(clips["mp4"]).shape == (4, 72, 96, 3)
    assert numbers(frames(clips["mp4"])) == [2, 7, 12, 17]
    assert numbers(frames(clips["variable frame rate"])) == [2, 7, 12, 17]


def test_a_clip_of_one_frame_gives_it_as_often_as_asked(clips) -> None:
    found = frames(clips["one frame"])
    assert found.shape == (4, 72, 96, 3)
    assert all(np.array_equal(found[0], other) for other in found)


@pytest.mark.parametrize(("degrees", "side"), [(90, "right"), (180, "bottom"), (270, "left")])
def test_a_turned_clip_is_given_as_it_is_shown(clips, degrees: int, side: str) -> None:
    """The white bar, at the top of the coded frame, goes to the side where a player shows it."""
    data = turned(clips["mp4"], degrees)
    shape = (96, 72) if degrees != 180 else (72, 96)
    clip = inspect(data)
    assert (clip.height, clip.width) == shape
    first = frames(data)[0]
    assert first.shape == (*shape, 3)
    strips = {"right": first[:, -8:], "left": first[:, :8], "bottom": first[-8:], "top": first[:8]}
    assert max(strips, key=lambda name: strips[name].mean()) == side


def test_what_a_clip_is(clips) -> None:
    found = inspect(clips["avi"])
    assert (found.container, found.codec, found.num_frames) == ("avi", "mpeg4", 20)
    assert (found.width, found.height, found.quarter_turns) == (96, 72, 0)


def test_frames_that_no_packet_announces_are_not_counted(clips) -> None:
    """A wrong count, as AVI files with packed frames have, is mended by a second reading."""
    wrong = dataclasses.replace(inspect(clips["avi"]), num_frames=33)
    assert numbers(by_pyav(clips["avi"], wrong, 4)) == [2, 7, 12, 17]
    wrong = dataclasses.replace(inspect(clips["mp4"]), times=tuple(range(20)))
    assert numbers(by_pyav(clips["mp4"], wrong, 4)) == [2, 7, 12, 17]


def test_only_whole_groups_are_entered_in_their_middle(clips) -> None:
    assert inspect(clips["mp4"]).key_frames == (0, 6, 12, 18)
    assert inspect(clips["webm"]).key_frames == (0, 6, 12, 18)
    for name in ("avi", "h264 in avi", "open groups"):
        assert inspect(clips[name]).key_frames == ()


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("mp4", lambda data: b"", "the file is empty"),
        ("mp4", lambda data: b"<html>moved</html>" * 99, "is not a whole clip"),
        ("mp4", lambda data: data[: len(data) // 2], "is not a whole clip"),
        ("long avi", lambda data: data[: len(data) * 3 // 4], "is cut short: it holds"),
        ("long matroska", lambda data: data[: len(data) * 3 // 4], "is cut short: it holds"),
        ("matroska that begins late", lambda data: data[: len(data) * 3 // 4], "is cut short: it holds"),
        ("webm that begins late", lambda data: data[: len(data) * 3 // 4], "is cut short: it holds"),
        ("matroska with sound", lambda data: data[: len(data) * 3 // 4], "is cut short: it holds"),
        (
            "mp4",
            lambda data: data[:40] + bytes(data.index(b"moov") - 44) + data[data.index(b"moov") - 4 :],
            "not a whole",
        ),
    ],
)
def test_a_broken_clip_is_one_line(clips, name: str, damage, message: str) -> None:
    with pytest.raises(MediaError, match=message) as caught:
        frames(damage(clips[name]))
    assert "\n" not in str(caught.value)


def test_a_file_of_sound_alone_is_no_clip() -> None:

    out = io.BytesIO()
    with av.open(out, "w", format="wav") as file:
        stream = file.add_stream("pcm_s16le", rate=8000)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        tone.sample_rate = 8000
        file.mux([*stream.encode(tone), *stream.encode()])
    with pytest.raises(MediaError, match=r"holds no video \(wav\)"):
        frames(out.getvalue())


def test_a_clip_of_absurd_size_is_refused(clips, monkeypatch) -> None:
    monkeypatch.setattr(faults, "MAX_PIXELS", 96 * 72 - 1)
    with pytest.raises(MediaError, match="96 x 72 pixels: refused as a size bomb"):
        frames(clips["mp4"])


def test_a_count_below_one_is_refused(clips) -> None:
    with pytest.raises(ValueError, match="at least 1, found 0"):
        frames(clips["mp4"], 0)


def test_without_pyav_the_extra_is_named(clips, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"clips need PyAV: pip install 'ib-data\[video\]'"):
        frames(clips["mp4"])
    assert issubclass(MissingExtraError, IbDataError)
