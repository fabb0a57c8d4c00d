"""Whether an image is of the size that its source states: one of another size is another image, or a smaller copy."""

from ib_data.media.faults import MediaError
from ib_data.media.opened_image import Opened


class OtherSizeError(MediaError):
    """An image that is not of the size that its source states."""


def check_size_stated(opened: Opened, stated: tuple[int, int] | None, max_side: int | None) -> None:
    """Raises OtherSizeError where an image is not of the width and height, in pixels, that its source states.

    An image that was rotated counts. So does a smaller copy that is as large as `max_side` asks for.
    """
    if stated is None or sorted(stated) == sorted(opened.source_px):
        return
    if max_side and max(opened.source_px) >= max_side and _is_copy(opened.source_px, stated):
        return
    found, expected = (f"{width} x {height}" for width, height in (opened.source_px, stated))
    raise OtherSizeError(f"is {found} pixels, and its source states {expected}: another image, or a smaller copy")


def _is_copy(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes are of one shape, to a pixel of the smaller."""
    small, large = sorted((sorted(one), sorted(other)))
    return large[1] > 0 and abs(small[0] - large[0] * small[1] / large[1]) <= 1
