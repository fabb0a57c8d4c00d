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
_GAP_PX = 3


def picture(read: Callable[[], bytes | None], max_px: int = IMAGE_PX) -> tuple[str, str]:
    """A data URI of the image that `read` gives, or of four frames of the clip, and an empty text.

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
    return frame_grid(data, 5 * max_px // 9)


def frame_grid(data: bytes, max_px: int) -> bytes:
    """A JPEG of the four frames of a clip that a model is given, two by two in reading order.

    Each has `max_px` at most on a side. In one row they would be too small to see on a card.
    """
    from PIL import Image

    shown = [Image.fromarray(frame) for frame in frames(data)]
    for frame in shown:
        frame.thumbnail((max_px, max_px))
    width, height = shown[0].size
    rows = (len(shown) + 1) // 2
    grid = Image.new("RGB", (2 * width + _GAP_PX, rows * (height + _GAP_PX) - _GAP_PX), (190, 190, 190))
    for i, frame in enumerate(shown):
        grid.paste(frame, (i % 2 * (width + _GAP_PX), i // 2 * (height + _GAP_PX)))
    out = io.BytesIO()
    grid.save(out, "JPEG", quality=82)
    return out.getvalue()
