"""Small images of samples for the page, as data URIs."""

import base64
import io
from collections.abc import Callable

from ib_data.errors import IbDataError
from ib_data.media.frames import frames, has_pyav
from ib_data.media.thumbnail import thumbnail

IMAGE_PX = 360
_FRAME_PX = 200


def picture(read: Callable[[], bytes | None]) -> tuple[str, str]:
    """A data URI of the image that `read` gives, or of four frames of the clip side by side, and an empty text.

    If there is none: an empty text and the reason.
    """
    try:
        data = read()
        if data is None:
            return "", "no image is built"
        return "data:image/jpeg;base64," + base64.b64encode(_small(data)).decode(), ""
    except IbDataError as error:
        return "", f"the image cannot be shown: {error}"


def _small(data: bytes) -> bytes:
    """A JPEG of an image or a clip. Which it is shows only when it is decoded; raises MediaError if it is neither."""
    try:
        return thumbnail(data, "image", IMAGE_PX)
    except IbDataError:
        if not has_pyav():
            raise
    return frame_strip(data)


def frame_strip(data: bytes) -> bytes:
    """A JPEG of the four frames of a clip that a model is given, from left to right, each at most 200 px wide."""
    from PIL import Image

    shown = [Image.fromarray(frame) for frame in frames(data)]
    for frame in shown:
        frame.thumbnail((_FRAME_PX, _FRAME_PX))
    strip = Image.new("RGB", (sum(frame.width for frame in shown), shown[0].height))
    left = 0
    for frame in shown:
        strip.paste(frame, (left, 0))
        left += frame.width
    out = io.BytesIO()
    strip.save(out, "JPEG", quality=82)
    return out.getvalue()
