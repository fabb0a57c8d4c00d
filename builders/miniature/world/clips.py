"""The contents of the miniature's clips, and true questions about them: one shape moves or changes its colour.

Half of the clips have a second shape, which stays in a corner. What moves where, and which colour comes first, is told
by the order of the frames alone.

Includes odd cases of real clips: a single frame, a portrait clip, a clip without questions.
"""

from collections.abc import Iterator
from dataclasses import replace

from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import COLOURS, KINDS, Scene, Shape
from ib_data.keyed import keyed_bits

# Dataset -> the first number of its scenes.
_SCENES = {"msvd_qa": 16_000_000, "msrvtt_qa": 17_000_000, "ivqa": 18_000_000}
_MIN_CLIPS, _MAX_CLIPS = 16, 1000  # validation, a quarter, has the 250 numbers of MSVD's validation split
# Dataset -> the official number of the first clip of every split.
_FIRST = {
    "msvd_qa": {"train": 1, "validation": 1201, "test": 1451},
    "msrvtt_qa": {"train": 0, "validation": 6513, "test": 7010},
}
_SIZE_PX, _UPRIGHT_PX = (96, 72), (72, 96)
_MIN_FRAMES, _MAX_FRAMES = 8, 16
# Of 20 neighbouring clips of a split: one frame only, upright, without a question.
_CYCLE = 20
_STILL, _UPRIGHT, _UNASKED = 1, 2, 3
_MOVES = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Question = tuple[str, tuple[str, ...]]


def scenes(population: Population, dataset: str, number: int) -> list[Scene]:
    """The frames of a clip as scenes: a shape that crosses the image, or changes its colour half-way."""
    turn = _turn(population, number)
    width, height = _UPRIGHT_PX if turn == _UPRIGHT else _SIZE_PX
    scene = population.scene(_SCENES[dataset] + number)
    ground = replace(scene, width=width, height=height, is_greyscale=False, is_textured=False)
    first, last = _ends(population, dataset, number)
    if turn == _STILL:
        return [replace(ground, shapes=(first, *_still(population, dataset, number, first)))]
    num_frames = _MIN_FRAMES + population.below(_MAX_FRAMES - _MIN_FRAMES + 1, f"{dataset}.frames", number)
    middle = replace(first, column=(first.column + last.column) // 2, row=(first.row + last.row) // 2)
    thirds = (first, middle, last) if first.colour == last.colour else (first, last)
    shapes = (thirds[i * len(thirds) // num_frames] for i in range(num_frames))
    still = _still(population, dataset, number, first)
    return [replace(ground, shapes=(shape, *still)) for shape in shapes]


def questions(population: Population, dataset: str, number: int) -> list[Question]:
    """(question, right answers, best first) about a clip; none for clips without questions."""
    first, last = _ends(population, dataset, number)
    colour: Question = (f"what color is the {first.kind} at first?", (first.colour, f"{first.colour} color"))
    number_of = ("two", "2") if _still(population, dataset, number, first) else ("one", "1")
    count: Question = ("how many shapes are there?", number_of)
    if _turn(population, number) == _STILL:
        return [colour, count]
    if first.colour != last.colour:
        after = (f"what color does the {first.kind} turn?", (last.colour, f"{last.colour} color"))
        return [after, colour, count, ("what is changing its color?", (first.kind, first.name))]
    way = next(name for name, step in _MOVES.items() if _sign(first, last) == step)
    where = f"to the {way}" if way in ("left", "right") else way
    moving: Question = (f"what is moving {where}?", (first.kind, first.name, "shape"))
    return [moving, (f"where is the {first.kind} going?", (way, f"to the {way}")), colour, count]


def asked(population: Population, dataset: str) -> Iterator[tuple[int, str, str]]:
    """(clip, question, answer) of every row of a dataset, in the order of its ids."""
    for number in range(num_clips(population)):
        turn = _turn(population, number)
        if turn != _UNASKED:
            for place, (text, answers) in enumerate(questions(population, dataset, number)):
                yield number, text, answers[0]
                if turn == _UPRIGHT and place == 0:
                    # The real answers were generated: several to one question, and half a word.
                    yield from ((number, text, answer) for answer in (*answers[1:], answers[0][:-2]))


def _ends(population: Population, dataset: str, number: int) -> tuple[Shape, Shape]:
    """The shape of a clip in the first and in the last frame."""
    below = population.below
    scene = population.scene(_SCENES[dataset] + number)
    colours = [colour for colour in COLOURS if colour != scene.background]
    start = below(len(colours), f"{dataset}.colour", number)
    kind = KINDS[below(len(KINDS), f"{dataset}.kind", number)]
    shape = Shape(kind=kind, colour=colours[start], size="large", column=1, row=1)
    way = below(len(_MOVES) + 1, f"{dataset}.way", number)
    if way == len(_MOVES):
        other = (start + 1 + below(len(colours) - 1, f"{dataset}.other", number)) % len(colours)
        return shape, replace(shape, colour=colours[other])
    right, down = list(_MOVES.values())[way]
    return replace(shape, column=1 - right, row=1 - down), replace(shape, column=1 + right, row=1 + down)


def _still(population: Population, dataset: str, number: int, moving: Shape) -> tuple[Shape, ...]:
    """A shape of another kind and colour in a corner of every frame, or none."""
    below = population.below
    if below(2, f"{dataset}.still", number):
        return ()
    background = population.scene(_SCENES[dataset] + number).background
    kinds = [kind for kind in KINDS if kind != moving.kind]
    colours = [colour for colour in COLOURS if colour not in (moving.colour, background)]
    corner = below(4, f"{dataset}.still.corner", number)
    kind = kinds[below(len(kinds), f"{dataset}.still.kind", number)]
    colour = colours[below(len(colours), f"{dataset}.still.colour", number)]
    return (Shape(kind=kind, colour=colour, size="large", column=2 * (corner % 2), row=2 * (corner // 2)),)


def _sign(first: Shape, last: Shape) -> tuple[int, int]:
    return (last.column - first.column) // 2, (last.row - first.row) // 2


def num_clips(population: Population) -> int:
    """How many clips each dataset has, in all splits."""
    return min(max(_MIN_CLIPS, population.num_images), _MAX_CLIPS)


def numbers_of(population: Population, split: str) -> range:
    """The clips of a split: a half, a quarter and a quarter, one after the other."""
    count = num_clips(population)
    half, three_quarters = count // 2, count * 3 // 4
    parts = {
        "train": range(half),
        "validation": range(half, three_quarters),
        "test": range(three_quarters, count),
    }
    return parts[split]


def _split(population: Population, number: int) -> str:
    return next(s for s in ("train", "validation", "test") if number in numbers_of(population, s))


def video_id(population: Population, dataset: str, number: int) -> int:
    """The official number of a clip, which identifies its split."""
    split = _split(population, number)
    return _FIRST[dataset][split] + number - numbers_of(population, split).start


def _turn(population: Population, number: int) -> int:
    """The place of a clip among its neighbours in the split, which decides its traits."""
    return (number - numbers_of(population, _split(population, number)).start) % _CYCLE


def clip_name(population: Population, dataset: str, number: int) -> str:
    """A video id of YouTube's form, start and end in seconds."""
    bits = keyed_bits(population.seed, f"miniature.{dataset}.name", number)
    video = "".join(_LETTERS[bits >> (5 * i) & 63] for i in range(11))
    start = population.below(200, f"{dataset}.start", number)
    return f"{video}_{start}_{start + 1 + population.below(20, f'{dataset}.seconds', number)}"
