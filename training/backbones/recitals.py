"""Dense rows that teach a language model to look facts up: lists of values by key, and short talks.

A single answer says too little a row: with questions alone a model learns their frequencies and looks nothing up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ib_data.builders.miniature.vsr import RELATIONS
from ib_data.builders.miniature.world.facts import shape_fact
from ib_data.builders.miniature.world.scene import ALL_COLOURS, GRID, KINDS, SIZES, Shape
from ib_data.builders.miniature.world.words import plural, with_article
from ib_data.training.backbones.slots import NUM_QUERIES

_COLUMNS = ("left", "center", "right")
_STATEMENT_PROMPTS = (
    'Based on the image, is this statement true or false? "{}" Answer:',
    "True or false? {}",
    "{} true or false",
)
_NUM_TALKED, _MAX_COUNT, _MOST_PAIRS = 7, 6, 10


@dataclass(frozen=True, slots=True)
class Recital:
    """Facts, and (key, value) pairs behind a heading; values are learnt. In a talk the pairs are whole questions."""

    facts: tuple[str, ...]
    heading: str
    pairs: tuple[tuple[str, str], ...]
    is_talk: bool = False


def _shapes(rng: Random, count: int) -> list[Shape]:
    """Shapes that differ in kind, colour and place, so that each can be a key."""
    kinds, colours = rng.sample(KINDS, count), rng.sample(tuple(ALL_COLOURS), count)
    cells = rng.sample(range(GRID * GRID), count)
    return [
        Shape(kind=kind, colour=colour, size=rng.choice(SIZES), column=cell // GRID, row=cell % GRID)
        for kind, colour, cell in zip(kinds, colours, cells, strict=True)
    ]


def _side(one: int, other: int, words: tuple[str, str]) -> str:
    return "same" if one == other else words[one > other]


# Heading -> (key, value) of a shape.
_OF_ONE: dict[str, Callable[[Shape], tuple[str, str]]] = {
    "kind color": lambda s: (s.kind, s.colour),
    "kind place": lambda s: (s.kind, s.place),
    "kind size": lambda s: (s.kind, s.size),
    "kind side": lambda s: (s.kind, _COLUMNS[s.column]),
    "place kind": lambda s: (s.place, s.kind),
    "place color": lambda s: (s.place, s.colour),
    "place size": lambda s: (s.place, s.size),
    "color kind": lambda s: (s.colour, s.kind),
    "color place": lambda s: (s.colour, s.place),
    "kind all": lambda s: (s.kind, f"{s.size} {s.colour} {s.place}"),
    "place all": lambda s: (s.place, f"{s.size} {s.colour} {s.kind}"),
}
# Heading -> the relation of two shapes in words.
_OF_TWO: dict[str, Callable[[Shape, Shape], str]] = {
    "left or right": lambda a, b: _side(a.column, b.column, ("left", "right")),
    "above or below": lambda a, b: _side(a.row, b.row, ("above", "below")),
    "same size": lambda a, b: "yes" if a.size == b.size else "no",
    "left of": lambda a, b: "yes" if a.column < b.column else "no",
    "right of": lambda a, b: "yes" if a.column > b.column else "no",
    "above": lambda a, b: "yes" if a.row < b.row else "no",
    "below": lambda a, b: "yes" if a.row > b.row else "no",
}


# Heading -> whether a shape has the size that is asked for.
_OF_SIZE: dict[str, Callable[[Shape], tuple[str, str]]] = {
    "is large": lambda s: (s.kind, _yes(s.size == "large")),
    "is small": lambda s: (s.kind, _yes(s.size == "small")),
    "place large": lambda s: (s.place, _yes(s.size == "large")),
    "place small": lambda s: (s.place, _yes(s.size == "small")),
}


def recital(rng: Random, talks: float, pairs: float, sizes: float = 0.0) -> Recital:
    """A random recital: a talk with probability `talks`, else with probability `pairs` about pairs of shapes.

    With probability `sizes` it compares sizes, before all else.
    """
    if sizes and rng.random() < sizes:
        return _sizes(rng)
    if rng.random() < talks:
        return _talk(rng)
    if rng.random() < pairs:
        return _list_of_pairs(rng)
    return _counts(rng) if rng.random() < 1 / 12 else _list(rng)


def _list(rng: Random) -> Recital:
    shapes = _shapes(rng, NUM_QUERIES)
    heading = rng.choice(tuple(_OF_ONE))
    order = shapes + rng.sample(shapes, NUM_QUERIES)
    return Recital(tuple(map(shape_fact, shapes)), f"{heading} :", tuple(map(_OF_ONE[heading], order)))


def _list_of_pairs(rng: Random) -> Recital:
    shapes = _shapes(rng, rng.choice((3, 4, 4)))
    heading = rng.choice(tuple(_OF_TWO))
    both = [(a, b) for a in shapes for b in shapes if a is not b]
    rng.shuffle(both)
    pairs = tuple((f"{a.kind} {b.kind}", _OF_TWO[heading](a, b)) for a, b in both[:_MOST_PAIRS])
    return Recital(_shuffled(rng, shapes), f"{heading} :", pairs)


def _sizes(rng: Random) -> Recital:
    """A list of sizes by yes and no, or a talk about sizes alone."""
    shapes = _shapes(rng, NUM_QUERIES)
    facts = _shuffled(rng, shapes)
    form = rng.randrange(4)
    if form == 0:
        heading = rng.choice(tuple(_OF_SIZE))
        order = shapes + rng.sample(shapes, NUM_QUERIES)
        return Recital(facts, f"{heading} :", tuple(map(_OF_SIZE[heading], order)))
    both = [(a, b) for a in shapes for b in shapes if a is not b]
    rng.shuffle(both)
    if form == 1:
        pairs = tuple((f"{a.kind} {b.kind}", _OF_TWO["same size"](a, b)) for a, b in both[:_MOST_PAIRS])
        return Recital(facts, "same size :", pairs)
    asked = []
    for one, other in both[:_NUM_TALKED]:
        size, name = rng.choice(SIZES), rng.choice((f"the {one.kind}", f"the shape in the {one.place}"))
        if form == 2:
            asked.append((f"Is {name} {size}?", _yes(one.size == size)))
        else:
            text = f"Do the {one.kind} and the {other.kind} have the same size?"
            asked.append((text, _yes(one.size == other.size)))
    return Recital(facts, "", tuple(asked), is_talk=True)


def _counts(rng: Random) -> Recital:
    kinds = rng.sample(KINDS, NUM_QUERIES)
    pairs = [(kind, str(rng.randrange(_MAX_COUNT))) for kind in kinds]
    facts = tuple(f"count {count} {kind}" for kind, count in pairs)
    return Recital(facts, "kind count :", tuple(rng.sample(pairs, len(pairs)) + rng.sample(pairs, len(pairs))))


def _talk(rng: Random) -> Recital:
    shapes = _shapes(rng, rng.choice((2, 3, 4)))
    facts = list(map(shape_fact, shapes))
    counts = {kind: rng.choice((0, 0, 1, 2, 3)) for kind in rng.sample(KINDS, NUM_QUERIES - len(facts))}
    facts += [f"count {count} {kind}" for kind, count in counts.items()]
    pairs = [_about_count(rng, kind, count) for kind, count in counts.items()]
    while len(pairs) < _NUM_TALKED:
        one, other = rng.sample(shapes, 2)
        pairs.append(_about_two(rng, one, other) if rng.random() < 0.55 else _about_one(rng, one))
    rng.shuffle(pairs)
    rng.shuffle(facts)
    return Recital(tuple(facts), "", tuple(pairs), is_talk=True)


def _about_count(rng: Random, kind: str, count: int) -> tuple[str, str]:
    if rng.random() < 0.5:
        return f"How many {plural(kind)} are there?", str(count)
    asked = rng.choice((f"Is there {with_article(kind)} in the picture?", f"is there {with_article(kind)}"))
    return asked, _yes(count > 0)


def _about_one(rng: Random, one: Shape) -> tuple[str, str]:
    name = rng.choice((f"the {one.kind}", f"the shape in the {one.place}"))
    size = rng.choice(SIZES)
    return rng.choice(
        (
            (f"What color is {name}?", one.colour),
            (f"Is {name} {size}?", _yes(one.size == size)),
            (f"What shape is in the {one.place}?", one.kind),
            (f"What size is the {one.colour} shape in the {one.place}?", one.size),
            (f"On which side of the picture is the {one.kind}?", _COLUMNS[one.column]),
        )
    )


def _about_two(rng: Random, one: Shape, other: Shape) -> tuple[str, str]:
    relation = rng.choice(tuple(RELATIONS))
    asked = [
        (f"Is the {one.kind} to the left of the {other.kind}?", _yes(one.column < other.column)),
        (f"Is the {one.kind} above the {other.kind}?", _yes(one.row < other.row)),
        (f"Do the {one.kind} and the {other.kind} have the same size?", _yes(one.size == other.size)),
    ]
    if one.row != other.row:
        high = one if one.row < other.row else other
        asked.append((f"Which is higher, the {one.kind} or the {other.kind}?", high.kind))
    holds = "true" if RELATIONS[relation](one, other) else "false"
    statement = f"The {one.kind} is {relation} the {other.kind}."
    asked += [(prompt.format(statement), holds) for prompt in _STATEMENT_PROMPTS]
    return rng.choice(asked)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _shuffled(rng: Random, shapes: Sequence[Shape]) -> tuple[str, ...]:
    return tuple(map(shape_fact, rng.sample(list(shapes), len(shapes))))


def recited_texts(count: int = 400) -> list[str]:
    """Texts with all words of recitals, for the vocabulary."""
    rng = Random(0)
    found = [recital(rng, 0.3, 0.3) for _ in range(count)]
    texts = [text for one in found for text in (one.heading, *(f"{key} {value}" for key, value in one.pairs))]
    return list(dict.fromkeys([*texts, *(f"{heading} :" for heading in (*_OF_ONE, *_OF_TWO))]))
