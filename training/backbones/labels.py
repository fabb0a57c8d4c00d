"""What the vision encoder learns to read from every token, as class numbers.

A token of a patch is asked about its own cell of a scene, or about the board or the lines of a cover that it shows; the
class token about the whole image. A label that an image does not have is IGNORED.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ib_data.builders.miniature.ocrvqa import FIRST_NAMES, GENRES, LAST_NAMES, Book
from ib_data.builders.miniature.world.scene import ALL_COLOURS, COLOURS, GRID, KINDS, MAX_SHAPES, SIZES, Scene
from ib_data.builders.miniature.world.signs import WORDS, Sign
from ib_data.training.backbones.pictures import Shown

IGNORED = -1
SIDE = 6  # patches
NUM_CELLS = GRID * GRID
_ALL = tuple(ALL_COLOURS)
_COLOURS = tuple(COLOURS)

# Label -> number of classes. Of a cell, class 0 means that it is empty; "order" is the number of its shape in captions,
# "alike" how many shapes of its kind the scene has.
CELL = {
    "kind": 1 + len(KINDS),
    "colour": 1 + len(_ALL),
    "size": 1 + len(SIZES),
    "order": 1 + MAX_SHAPES,
    "alike": 1 + MAX_SHAPES,
}
# Of a board or the lines of a cover: a token has those of its half of the image.
PRINT = {
    "word": len(WORDS),
    "tens": 10,
    "units": 10,
    "board": len(_COLOURS),
    "title kind": len(KINDS),
    "genre": len(GENRES),
    "first name": 1 + len(FIRST_NAMES),
    "last name": 1 + len(LAST_NAMES),
}
WHOLE = {
    "form": 3,
    "background": len(_ALL),
    "striped": 2,
    "grey": 2,
    "upright": 2,
    "number": 1 + MAX_SHAPES,
    **{f"count {kind}": 1 + MAX_SHAPES for kind in KINDS},
    "word": len(WORDS),
    "tens": 10,
    "units": 10,
    "upper": len(_COLOURS),
    "lower": len(_COLOURS),
    "title kind": len(KINDS),
    "genre": len(GENRES),
    "first name": 1 + len(FIRST_NAMES),
    "last name": 1 + len(LAST_NAMES),
}

Labels = dict[str, NDArray[np.int64]]


def cell_labels(shows: Sequence[Shown]) -> Labels:
    """Each label of CELL: int64 (N, 9), cells row by row."""
    rows = [_cells(one) if isinstance(one, Scene) else None for one in shows]
    found = {name: np.full((len(rows), NUM_CELLS), IGNORED) for name in CELL}
    for i, cells in enumerate(rows):
        if cells is None:
            continue
        for name in CELL:
            found[name][i] = 0
        for cell, values in cells.items():
            for name, value in zip(CELL, values, strict=True):
                found[name][i, cell] = value
    return found


def print_labels(shows: Sequence[Shown]) -> Labels:
    """Each label of PRINT: int64 (N, 2), of the upper and of the lower half."""
    found = {name: np.full((len(shows), 2), IGNORED) for name in PRINT}
    for i, one in enumerate(shows):
        for half, values in enumerate(_halves(one)):
            for name, value in values.items():
                found[name][i, half] = value
    return found


def whole_labels(shows: Sequence[Shown]) -> Labels:
    """Each label of WHOLE: int64 (N,)."""
    rows = [_whole(one) for one in shows]
    return {name: np.array([row.get(name, IGNORED) for row in rows], dtype=np.int64) for name in WHOLE}


def to_patches(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N, 36) of the patches from (N, 9) of cells or (N, 2) of halves."""
    rows = np.arange(SIDE * SIDE) // SIDE
    if values.shape[1] == NUM_CELLS:
        columns = np.arange(SIDE * SIDE) % SIDE
        return values[:, rows // 2 * GRID + columns // 2]
    return values[:, rows // (SIDE // 2)]


def _cells(scene: Scene) -> dict[int, tuple[int, ...]]:
    return {
        shape.row * GRID + shape.column: (
            1 + KINDS.index(shape.kind),
            1 + _ALL.index(shape.colour),
            1 + SIZES.index(shape.size),
            order,
            scene.count(shape.kind),
        )
        for order, shape in enumerate(scene.shapes, 1)
    }


def _halves(one: Shown) -> tuple[Mapping[str, int], Mapping[str, int]]:
    if isinstance(one, Sign):
        upper = {"word": WORDS.index(one.word), "board": _COLOURS.index(one.upper)}
        return upper, {"tens": one.price // 10, "units": one.price % 10, "board": _COLOURS.index(one.lower)}
    if isinstance(one, Book):
        colour = {"board": _COLOURS.index(one.colour)}
        return colour | {"title kind": _title_kind(one)}, colour | _small_print(one)
    return {}, {}


def _whole(one: Shown) -> Mapping[str, int]:
    if isinstance(one, Scene):
        return {
            "form": 0,
            "background": _ALL.index(one.background),
            "striped": int(one.is_textured),
            "grey": int(one.is_greyscale),
            "upright": int(one.height > one.width),
            "number": len(one.shapes),
            **{f"count {kind}": one.count(kind) for kind in KINDS},
        }
    if isinstance(one, Sign):
        upper, lower = _halves(one)
        boards = {"upper": upper["board"], "lower": lower["board"], "background": _ALL.index(one.wall)}
        return {"form": 1, "word": upper["word"], "tens": lower["tens"], "units": lower["units"], **boards}
    return {"form": 2, "background": _ALL.index(one.colour), "title kind": _title_kind(one), **_small_print(one)}


def _title_kind(one: Book) -> int:
    return KINDS.index(one.title.split()[-1].lower())


def _small_print(one: Book) -> dict[str, int]:
    """Genre and author; class 0 of a name means that the cover has no author."""
    first, last = one.author.split() or ["", ""]
    return {
        "genre": GENRES.index(one.genre),
        "first name": FIRST_NAMES.index(first) + 1 if first else 0,
        "last name": LAST_NAMES.index(last) + 1 if last else 0,
    }
