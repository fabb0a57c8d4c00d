"""Words in images, in Pillow's own font, so that no font of the machine is used."""

from functools import cache

from PIL import ImageDraw, ImageFont

from ib_data.builders.miniature.world.scene import Colour

_INK = {True: (250, 250, 250), False: (15, 15, 15)}
_DARK = 128 * 1000  # of the weighted sum of red, green and blue


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever reads better on a colour."""
    red, green, blue = colour
    return _INK[299 * red + 587 * green + 114 * blue < _DARK]


def write(pen: ImageDraw.ImageDraw, text: str, center: tuple[int, int], size_px: int, ink: Colour) -> None:
    """Print one line of text around a point (pixels from the top left)."""
    pen.text(center, text, fill=ink, font=_font(size_px), anchor="mm")
