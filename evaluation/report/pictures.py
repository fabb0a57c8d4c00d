"""Small images of samples for the page, as data URIs."""

import base64
import io
from collections.abc import Callable

from ib_data.errors import IbDataError
from ib_data.media.frames import frames, has_pyav
from ib_data.media.thumbnail import thumbnail

IMAGE_PX = 360
# On a page with more than MOST_LARGE images: those of all 26 datasets together then have about 8 MB, not 29.
MOST_LARGE, SMALL_PX = 200, 160


def picture(read: Callable[[], bytes | None], max_px: int = IMAGE_PX) -> tuple[str, str]:
    """A data URI of the image that `read` gives, or of four frames of the clip side by side, and an empty text.

    An image has `max_px` at most on a side. If there is none: an empty text and the reason.
    """
    try:
        data = read()
        if data is None:
            return "", "no image is built"
        return "data:image/jpeg;base64," + base64.b64encode(_small(data, max_px)).decode(), ""
    except IbDataError as error:
        return "", f"the image cannot be shown: {error}"


def _small(data: bytes, max_px: int) -> bytes:
    """A JPEG of an image or a clip. Which it is shows only when it is decoded; raises MediaError if it is neither."""
    try:
        return thumbnail(data, "image", max_px)
    except IbDataError:
        if not has_pyav():
            raise
    return frame_strip(data, 5 * max_px // 9)


def frame_strip(data: bytes, max_px: int) -> bytes:
    """A JPEG of the four frames of a clip that a model is given, from left to right, each at most `max_px` wide."""
    from PIL import Image

    shown = [Image.fromarray(frame) for frame in frames(data)]
    for frame in shown:
        frame.thumbnail((max_px, max_px))
    strip = Image.new("RGB", (sum(frame.width for frame in shown), shown[0].height))
    left = 0
    for frame in shown:
        strip.paste(frame, (left, 0))
        left += frame.width
    out = io.BytesIO()
    strip.save(out, "JPEG", quality=82)
    return out.getvalue()
