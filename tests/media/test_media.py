"""Which images are valid: the same for build, `check --decode` and stream, whatever Pillow's settings."""

import io
import os
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin
from toy_pictures import JPEGS, OTHERS, drawn, saved, shown

from ib_data.media.coded import read_image
from ib_data.media.faults import MediaError
from ib_data.media.opened_image import open_image
from ib_data.media.pillow import OWN_SWITCHES

END = b"\xff\xd9"
WAYS = {
    "build": open_image,
    "smaller copy": lambda data: open_image(data, 16),
    "stream": lambda data: shown(data, 16),
    "stream, fast": lambda data: shown(data, 16, decode="fast"),
}


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def after_head(jpeg: bytes, inserted: bytes) -> bytes:
    return jpeg[:20] + inserted + jpeg[20:]  # the JFIF segment ends there


def refusals(data: bytes) -> dict[str, str]:
    """The error of each way of decoding for an image that it rejects."""
    found = {}
    for name, way in WAYS.items():
        try:
            way(data)
        except MediaError as error:
            found[name] = str(error)
    return found


def accepted(data: bytes) -> bool:
    """Whether the image is accepted; all ways must agree."""
    found = refusals(data)
    assert len(found) in (0, len(WAYS)), found
    return not found


@pytest.mark.parametrize(
    "name", ["4:2:0", "4:4:4", "progressive", "restarts", "stored as RGB", "gray", "CMYK", "large"]
)
def test_half_a_jpeg_with_its_end_mark_put_back_is_refused(name: str) -> None:
    data = JPEGS[name]
    for share in (2, 4, 8):
        found = refusals(data[: len(data) - len(data) // share] + END)
        assert len(found) == len(WAYS)
        assert all("is not a whole image" in problem for problem in found.values())


@pytest.mark.parametrize(
    "changed",
    [
        lambda data: after_head(data, b"\0\x12\xab"),
        lambda data: after_head(data, segment(0xE1, b"Exif\0\0broken")),
        lambda data: after_head(data, segment(0xE2, b"ICC_PROFILE\0\x05\x02broken")),
        lambda data: after_head(data, segment(0xEE, b"Adobe" + bytes(6) + b"\x09")),
        lambda data: data.replace(b"JFIF\0\x01", b"JFIF\0\x07", 1),
        lambda data: data[:-2] + b"\0" * 99 + END,
        lambda data: data[:-2] + b"\xff" * 99 + END,
        lambda data: data + b"anything at all" + data,
        lambda data: after_head(data, b"\0\x12\xab")[:-2] + b"\0" * 99 + END,
    ],
    ids=["stray", "EXIF", "ICC", "Adobe", "JFIF", "zeros", "fill", "after the end", "stray and zeros"],
)
@pytest.mark.parametrize("name", ["4:2:0", "progressive", "large"])
def test_what_is_odd_around_whole_coded_data_loses_no_image(name: str, changed) -> None:
    data = changed(JPEGS[name])
    assert accepted(data)
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(
            shown(data), np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))
        )


def test_a_scan_with_the_odd_head_that_some_encoders_write_is_whole() -> None:
    data = JPEGS["4:2:0"]
    end = data.index(b"\xff\xda") + 2 + 12
    assert accepted(data[: end - 3] + b"\0\0\0" + data[end:])


@pytest.mark.parametrize("name", ["4:2:0", "progressive", "large"])
def test_an_odd_head_does_not_hide_damage(name: str) -> None:
    """The decoder tells its first complaint only."""
    data = after_head(JPEGS[name], b"\0\x12\xab")
    assert not accepted(data[: len(data) * 3 // 4] + END)


def test_coded_data_left_over_before_the_end_are_damage() -> None:
    data = JPEGS["large"]
    assert not accepted(data[:-2] + data[-300:-200] + END)


@pytest.mark.parametrize("name", ["progressive", "4:2:0", "restarts", "large"])
def test_a_flipped_bit_has_the_same_verdict_everywhere(name: str) -> None:
    data = JPEGS[name]
    places = np.random.default_rng(3).integers(data.index(b"\xff\xda"), len(data), 60)
    verdicts = [accepted(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]) for at in places]
    assert not all(verdicts)


@pytest.mark.parametrize("name", ["progressive", "4:2:0", "CMYK", "PNG", "GIF", "WEBP"])
def test_damaged_heads_have_the_same_verdict_everywhere(name: str) -> None:
    data = {**JPEGS, **OTHERS}[name]
    generator = np.random.default_rng(4)
    for at in generator.integers(2, min(len(data), 650), 80):
        accepted(data[:at] + generator.bytes(1 + at % 3) + data[at + 1 :])


def test_a_jpeg_that_lacks_scans_is_refused() -> None:
    data = JPEGS["progressive"]
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for start, end in zip(scans, [*scans[1:], len(data) - 2], strict=True):
        # From the tables of one scan to those of the next: what a decoder cannot miss.
        begin = data.rindex(b"\xff\xc4", 0, start) if b"\xff\xc4" in data[start - 60 : start] else start
        stop = data.rindex(b"\xff\xc4", 0, end) if b"\xff\xc4" in data[max(start, end - 60) : end] else end
        assert not accepted(data[:begin] + data[stop:])


@pytest.mark.parametrize("name", ["4:2:0", "CMYK", "PNG", "PNG with a palette", "GIF", "WEBP"])
def test_pillows_switches_change_no_verdict(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    data = {**JPEGS, **OTHERS}[name]
    whole, cut = shown(data, 16), data[: len(data) * 2 // 3]
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    assert not accepted(cut)
    assert accepted(data)
    assert np.array_equal(shown(data, 16), whole)
    assert (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS) == (True, 4)


def test_nothing_is_set_in_pillow_by_the_import() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None


def test_threads_that_decode_put_pillows_switches_back_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with OWN_SWITCHES:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with OWN_SWITCHES:
        thread.start()
        inside.wait()
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False  # the other one still decodes
    leave.set()
    thread.join()
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_a_forked_process_has_pillows_switches_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with OWN_SWITCHES:
        child = os.fork()
        if child == 0:
            os._exit(0 if ImageFile.LOAD_TRUNCATED_IMAGES else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("change", [{"exif": b"Exif\0\0II*\0\x08\0\0\0\x09\0broken"}, {"dpi": (7, 7)}])
def test_warnings_that_are_errors_change_no_verdict(change: dict) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in (saved(drawn(), **change), saved(drawn().quantize(4), "PNG", transparency=bytes(4))):
            assert accepted(data)
        broken_animation = OTHERS["PNG"][:33] + chunk(b"acTL", b"\0" * 8) + OTHERS["PNG"][33:]
        assert accepted(broken_animation)


@pytest.mark.parametrize(
    "long",
    [chunk(b"tEXt", b"Comment\0" + b"x" * 2_000_000), chunk(b"zTXt", b"XML\0\0" + zlib.compress(bytes(3_000_000)))],
)
@pytest.mark.parametrize("limit", [None, 10])
def test_a_png_with_a_long_text_is_whole(monkeypatch: pytest.MonkeyPatch, long: bytes, limit: int | None) -> None:
    data = OTHERS["PNG"][:33] + long + OTHERS["PNG"][33:]
    if limit is not None:
        monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", limit)
        monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", limit)
    assert accepted(data)
    assert open_image(data).data == data
    assert np.array_equal(shown(data), shown(OTHERS["PNG"]))


def test_a_png_with_a_long_colour_profile_is_whole() -> None:
    profile = chunk(b"iCCP", b"long\0\0" + zlib.compress(os.urandom(1_500_000), 0))
    assert accepted(OTHERS["PNG"][:33] + profile + OTHERS["PNG"][33:])


@pytest.mark.parametrize("name", ["PNG", "PNG with a palette", "PNG, gray"])
def test_a_flipped_bit_of_a_png_is_found(name: str) -> None:
    data = OTHERS[name]
    for at in range(8, len(data) - 12, 41):
        flipped = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        assert not accepted(flipped) or np.array_equal(shown(flipped, 16), shown(data, 16))


def test_a_png_cut_between_chunks_with_its_end_put_back_is_refused() -> None:
    data = OTHERS["PNG"]
    start = data.index(b"IDAT") + 4
    half = data[start : start + int.from_bytes(data[start - 8 : start - 4], "big") // 2]
    assert not accepted(data[: start - 8] + chunk(b"IDAT", half) + chunk(b"IEND", b""))


@pytest.mark.parametrize("factors", [b"\x31\x11\x11", b"\x14\x11\x11", b"\x22\x12\x11"])
def test_odd_sampling_factors_are_left_to_pillow(factors: bytes) -> None:
    data = with_factors(factors)
    image = read_image(data)
    assert (image.width, image.height) == (64, 64)
    assert accepted(data)


def with_factors(factors: bytes) -> bytes:
    """A JPEG of 64 x 64 with these sampling factors in its header."""
    data = bytearray(saved(Image.new("RGB", (64, 64), "red"), subsampling=0))
    start = data.index(b"\xff\xc0") + 11
    data[start : start + 9 : 3] = factors
    return bytes(data)


@pytest.mark.parametrize("data", [with_factors(b"\x22\x12\x11"), *OTHERS.values()], ids=["odd factors", *OTHERS])
def test_what_was_decoded_before_changes_no_values(data: bytes) -> None:
    image = read_image(data)
    whole, reduced = (np.asarray(read_image(data).decode(divisor)) for divisor in (1, 8))
    assert whole.shape[:2] == (image.height, image.width)
    image.check()
    for divisor, values in ((1, whole), (8, reduced), (1, whole)):
        assert np.array_equal(np.asarray(image.decode(divisor)), values)
