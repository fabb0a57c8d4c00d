"""The error for a damaged image or clip, and the limit on the size of an image or frame."""

from collections.abc import Iterator
from contextlib import contextmanager

from ib_data.errors import IbDataError

MAX_PIXELS = 80_000_000  # a frame of 8K video has 33 million


class MediaError(IbDataError):
    """An image or clip that does not open; the message says why."""


def check_size(width: int, height: int) -> None:
    """Raise MediaError for an absurd size in pixels; called before anything is decoded."""
    if width < 1 or height < 1:
        raise MediaError(f"{width} x {height} pixels: shows nothing")
    if width * height > MAX_PIXELS:
        raise MediaError(f"{width} x {height} pixels: refused as a size bomb")


@contextmanager
def translate_decoder_errors() -> Iterator[None]:
    """Turns any error that a decoder raises for damaged data into a MediaError."""
    try:
        yield
    except MediaError:
        raise
    except Exception as error:  # Pillow's errors for damaged data have no common class: even UnboundLocalError was seen
        raise MediaError(f"is not a whole image ({error})") from error
