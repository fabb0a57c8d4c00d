"""Checking an image against the size that its source states, to detect other images and smaller copies."""

from ib_data.media.faults import MediaError
from ib_data.media.opened_image import Opened


class OtherSizeError(MediaError):
    """An image has another size than its source states."""


def check_size_stated(opened: Opened, stated: tuple[int, int] | None, max_side: int | None) -> None:
    """Raise OtherSizeError if an image does not have the stated width and height, in pixels.

    Accepts rotated images, and smaller copies that are at least as large as `max_side`.
    """
    if stated is None or sorted(stated) == sorted(opened.source_px):
        return
    if max_side and max(opened.source_px) >= max_side and _is_copy(opened.source_px, stated):
        return
    found, expected = (f"{width} x {height}" for width, height in (opened.source_px, stated))
    raise OtherSizeError(f"is {found} pixels, its source states {expected}: another image, or a smaller copy")


def _is_copy(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same aspect ratio, to one pixel of the smaller."""
    small, large = sorted((sorted(one), sorted(other)))
    return large[1] > 0 and abs(small[0] - large[0] * small[1] / large[1]) <= 1
