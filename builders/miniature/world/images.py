"""A scene as a JPEG or a PNG. Integer coordinates only; the bytes still depend on the version of the encoder."""

import io

from PIL import Image, ImageDraw

from ib_data.builders.miniature.world.scene import ALL_COLOURS, GRID, Scene, Shape

JPEG_QUALITY = 90
_STRIPE_PX = 12
_SHADE = 14
# Points of a shape on a circle of radius 1000 around (0, 0), y down; written out, so that rounding never differs.
_POINTS = {
    "square": ((-780, -780), (780, -780), (780, 780), (-780, 780)),
    "triangle": ((0, -1000), (900, 700), (-900, 700)),
    "diamond": ((0, -1000), (700, 0), (0, 1000), (-700, 0)),
    "star": (
        (0, -1000), (235, -324), (951, -309), (380, 124), (588, 809),
        (0, 400), (-588, 809), (-380, 124), (-951, -309), (-235, -324),
    ),
    "cross": (
        (-300, -950), (300, -950), (300, -300), (950, -300), (950, 300), (300, 300),
        (300, 950), (-300, 950), (-300, 300), (-950, 300), (-950, -300), (-300, -300),
    ),
}  # fmt: skip
_RADIUS_PERCENT = {"small": 24, "large": 44}


def draw(scene: Scene) -> bytes:
    """The JPEG file of a scene: RGB, or one channel for a greyscale scene."""
    out = io.BytesIO()
    paint(scene).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def draw_png(scene: Scene, *, has_alpha: bool = False) -> bytes:
    """The PNG file of a scene, for sources of diagrams; optionally with an alpha channel."""
    out = io.BytesIO()
    (paint(scene).convert("RGBA") if has_alpha else paint(scene)).save(out, "PNG")
    return out.getvalue()


def paint(scene: Scene) -> Image.Image:
    """The image of a scene: RGB, or one channel for a greyscale scene."""
    background = ALL_COLOURS[scene.background]
    image = Image.new("RGB", (scene.width, scene.height), background)
    pen = ImageDraw.Draw(image)
    if scene.is_textured:
        _stripe(pen, scene)
    for shape in scene.shapes:
        _draw_shape(pen, shape, scene)
    return image.convert("L") if scene.is_greyscale else image


def _stripe(pen: ImageDraw.ImageDraw, scene: Scene) -> None:
    red, green, blue = ALL_COLOURS[scene.background]
    sign = 1 if red < 128 else -1
    tone = (red + sign * _SHADE, green + sign * _SHADE, blue + sign * _SHADE)
    for x in range(-scene.height, scene.width, 2 * _STRIPE_PX):
        corners = ((x, 0), (x + _STRIPE_PX, 0), (x + _STRIPE_PX + scene.height, scene.height))
        pen.polygon([*corners, (x + scene.height, scene.height)], fill=tone)


def _draw_shape(pen: ImageDraw.ImageDraw, shape: Shape, scene: Scene) -> None:
    cell_width, cell_height = scene.width // GRID, scene.height // GRID
    x = shape.column * cell_width + cell_width // 2
    y = shape.row * cell_height + cell_height // 2
    radius = min(cell_width, cell_height) * _RADIUS_PERCENT[shape.size] // 100
    fill = ALL_COLOURS[shape.colour]
    if shape.kind == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
        return
    pen.polygon([(x + radius * a // 1000, y + radius * b // 1000) for a, b in _POINTS[shape.kind]], fill=fill)
