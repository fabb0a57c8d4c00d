"""The drawn world: scenes of coloured shapes, decided by (seed, image id) alone; facts about them are computed.

A scene has one to six shapes in the cells of a 3 x 3 grid, so that "left of" and "above" are unambiguous. One kind of
shape is always absent, so that "is there a star" can be asked with either answer.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial

from ib_data.keyed import keyed_below

Colour = tuple[int, int, int]

KINDS = ("circle", "square", "triangle", "star", "cross", "diamond")
SIZES = ("small", "large")
COLOURS: dict[str, Colour] = {
    "red": (214, 39, 40),
    "orange": (255, 150, 20),
    "yellow": (250, 225, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 215),
    "purple": (140, 60, 170),
    "pink": (245, 140, 190),
    "brown": (115, 70, 30),
}
# A greyscale image shows no other colours, so its facts may name no others.
GREYS: dict[str, Colour] = {"white": (250, 250, 250), "gray": (128, 128, 128), "black": (15, 15, 15)}
BACKGROUNDS: dict[str, Colour] = {**GREYS, "beige": (235, 220, 190)}
ALL_COLOURS: dict[str, Colour] = {**COLOURS, **BACKGROUNDS}

GRID = 3
MAX_SHAPES = 6
_ROWS = ("top", "middle", "bottom")
_COLUMNS = ("left", "center", "right")
_PAGE_SIZES_PX = ((320, 240), (304, 228), (336, 252), (320, 213), (288, 240))
_PORTRAIT_PX = (240, 320)
# Of 20 neighbouring image ids one is a greyscale image and one a portrait, so that every miniature has some of both.
TRAIT_CYCLE = 20
_GREYSCALE, _PORTRAIT = 4, 8


@dataclass(frozen=True, slots=True)
class Shape:
    """One drawn thing; `column` and `row` count cells from the top left, 0 to 2."""

    kind: str
    colour: str
    size: str
    column: int
    row: int

    @property
    def name(self) -> str:
        """Colour and kind: `red star`."""
        return f"{self.colour} {self.kind}"

    @property
    def place(self) -> str:
        """Where it is, in words that follow "in the": `top left`, `center`."""
        if self.row == 1 and self.column == 1:
            return "center"
        return f"{_ROWS[self.row]} {_COLUMNS[self.column]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one image shows. Sizes in pixels; `shapes` from left to right, then from top to bottom."""

    image_id: int
    width: int
    height: int
    background: str
    is_textured: bool
    is_greyscale: bool
    shapes: tuple[Shape, ...]

    def unique_kinds(self) -> tuple[Shape, ...]:
        """The shapes whose kind occurs once, so that "the star" names one of them."""
        counts = Counter(shape.kind for shape in self.shapes)
        return tuple(shape for shape in self.shapes if counts[shape.kind] == 1)

    def count(self, kind: str, colour: str | None = None) -> int:
        """How many shapes are of this kind (and of this colour)."""
        return sum(shape.kind == kind and colour in (None, shape.colour) for shape in self.shapes)


def scene_of(seed: int, image_id: int) -> Scene:
    """The scene of one image."""
    below = partial(_below, seed, image_id)
    trait = image_id % TRAIT_CYCLE
    is_greyscale = trait == _GREYSCALE
    background = tuple(GREYS if is_greyscale else BACKGROUNDS)[below(len(GREYS if is_greyscale else BACKGROUNDS), 0)]
    colours = [colour for colour in (GREYS if is_greyscale else COLOURS) if colour != background]
    cells = _cells(below, 1 + below(MAX_SHAPES, 1))
    absent = KINDS[below(len(KINDS), 8)]
    kinds = [kind for kind in KINDS if kind != absent]
    shapes = tuple(
        Shape(
            kind=kinds[below(len(kinds), 2, i)],
            colour=colours[below(len(colours), 3, i)],
            size=SIZES[below(len(SIZES), 4, i)],
            column=cell // GRID,
            row=cell % GRID,
        )
        for i, cell in enumerate(sorted(cells))
    )
    width, height = _PORTRAIT_PX if trait == _PORTRAIT else _PAGE_SIZES_PX[below(len(_PAGE_SIZES_PX), 5)]
    return Scene(
        image_id=image_id,
        width=width,
        height=height,
        background=background,
        is_textured=below(2, 6) == 1,
        is_greyscale=is_greyscale,
        shapes=shapes,
    )


def _below(seed: int, image_id: int, bound: int, *place: int) -> int:
    return keyed_below(bound, seed, "miniature.scene", image_id, *place)


def _cells(below: partial[int], count: int) -> list[int]:
    """`count` different cells of the grid."""
    free = list(range(GRID * GRID))
    return [free.pop(below(len(free), 7, i)) for i in range(count)]
