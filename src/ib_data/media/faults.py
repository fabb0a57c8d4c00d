"""What an image or clip that is not whole raises, and the one limit on the size of an image or a frame."""

from collections.abc import Iterator
from contextlib import contextmanager

from ib_data.errors import IbDataError

MAX_PIXELS = 80_000_000  # a frame of 8K video has 33 million


class MediaError(IbDataError):
    """An image or clip that does not open; the message says why."""


def check_size(width: int, height: int) -> None:
    """Raises MediaError for a size, in pixels, that no photo has; asked before anything is decoded."""
    if width < 1 or height < 1:
        raise MediaError(f"{width} x {height} pixels: shows nothing")
    if width * height > MAX_PIXELS:
        raise MediaError(f"{width} x {height} pixels: refused as a size bomb")


@contextmanager
def translate_decoder_errors() -> Iterator[None]:
    """Makes a MediaError of whatever a decoder raises for damaged data inside."""
    try:
        yield
    except MediaError:
        raise
    except Exception as error:  # what Pillow raises for damaged data has no common class: UnboundLocalError was seen
        raise MediaError(f"is not a whole image ({error})") from error
