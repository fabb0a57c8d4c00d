"""What captions say about images, and texts that name shapes: the rows that teach the captioner.

A row is an image, a text and the facts that the queries should say. Without a text, or behind one that names nothing,
they are the facts of a caption in their order. Behind a text that names shapes, as a caption does whose other words are
masked ("a star ...", "the red ..."), the first facts are those shapes, in the order of the text: any shape of the
image, since a caption could name it. No fact has a size, a place or a number of shapes, because captions never say
them; words that captions never say are only there to be overlooked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from tokenizers import Tokenizer

from ib_data.builders.miniature.ocrvqa import Book
from ib_data.builders.miniature.world.facts import caption_facts
from ib_data.builders.miniature.world.scene import ALL_COLOURS, KINDS, Scene
from ib_data.builders.miniature.world.signs import WORDS
from ib_data.templates.library import PACKAGED
from ib_data.training.backbones.pictures import Shown
from ib_data.training.backbones.slots import NOTHING, padded

_NO_WORD = ""
_THINGS = (*KINDS, "background", "board", "wall", NOTHING)
_COLOURS = (_NO_WORD, *ALL_COLOURS)
_OTHERS = (_NO_WORD, "plain", "striped", *WORDS, *map(str, range(100)))
GROUPS = (_THINGS, _COLOURS, _OTHERS)
"""A fact of a caption has a word of the first group, and at most one of each of the others."""

_PLAIN_WORDS = (
    "a", "an", "the", "on", "of", "and", "next", "to", "in", "front", "with", "background", "wall", "drawing",
    "picture", "that", "shows", "plain", "striped", "sign", "says", "for", "above", "board", "number", "is", "written",
    "stands", "two", "boards", "read",
)  # fmt: skip
_WITHOUT_TEXT, _PROMPT, _OVERLOOKED = 0.2, 0.1, 0.05  # shares of the rows; the others name shapes
_ABSENT, _PAIR = 0.06, 0.4  # shares of the texts that name shapes
_MASKS = ("kind", "kind", "kind", "colour", "both")  # what a phrase keeps
_EASY = 0.3  # share of the steps with easy texts; with all texts from the first step, looking up came later
_LONG = 5  # one batch of so many has long texts
_AROUND, _LONG_AROUND = 4, 24  # words before and behind a phrase, at most


@dataclass(frozen=True, slots=True)
class Told:
    """The facts of a caption, `NUM_QUERIES` of them, and (colour, kind) of every shape, in the order of captions."""

    facts: tuple[str, ...]
    shapes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """The ids of a text with [CLS] and [SEP], or none, and the facts that the queries should say."""

    ids: tuple[int, ...]
    facts: tuple[str, ...]


def told(one: Shown) -> Told | None:
    """What captions say about an image; None for covers, which have no captions."""
    if isinstance(one, Scene):
        return Told(tuple(padded(caption_facts(one))), tuple((shape.colour, shape.kind) for shape in one.shapes))
    if isinstance(one, Book):
        return None
    boards = (f"{one.upper} board {one.word}", f"{one.lower} board {one.price}", f"{one.wall} wall")
    return Told(tuple(padded(boards)))


@cache
def classes(fact: str) -> tuple[int, ...]:
    """The number of the fact's word in each of GROUPS. Raises ValueError for a word of no group."""
    words = fact.split()
    found = [next((group.index(word) for word in words if word in group), None) for group in GROUPS]
    unknown = [word for word in words if not any(word in group for group in GROUPS)]
    if unknown or found[0] is None:
        raise ValueError(f"fact {fact!r}: expected words of captions, found {unknown}")
    return tuple(number or 0 for number in found)


def named_first(names: Sequence[str], facts: Sequence[str]) -> tuple[str, ...]:
    """`facts` with `names` in place of the first ones."""
    return (*names, *facts[len(names) :])


class Texts:
    """Draws texts and facts for images, with the ids of the Q-Former's tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        vocabulary: dict[str, int] = tokenizer.get_vocab()
        special = [vocabulary[name] for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")]
        self._start, self._end = vocabulary["[CLS]"], vocabulary["[SEP]"]
        self._id = {word: _word_id(tokenizer, word) for word in (*KINDS, *ALL_COLOURS)}
        plain = [_word_id(tokenizer, word) for word in _PLAIN_WORDS]
        signs = [_word_id(tokenizer, word) for word in WORDS]
        self.said = np.array(sorted({*self._id.values(), *plain, *signs, *special}))
        """Ids of the words that captions say, and of special tokens."""
        self._plain = np.array(sorted(set(plain)))
        self._never = np.array(sorted(set(vocabulary.values()) - set(self.said.tolist())))
        prompts = [t.text for t in PACKAGED.load("captioning") if "{" not in t.text]
        self._prompts = [tokenizer.encode(text, add_special_tokens=False).ids for text in prompts]

    def rows(self, images: Sequence[Told], generator: np.random.Generator, progress: float = 1.0) -> list[Row]:
        """A row for each image of a batch; before `progress` 0.3 with short texts that name one shape that is there."""
        is_easy = progress < _EASY
        around = _LONG_AROUND if not is_easy and generator.integers(_LONG) == 0 else _AROUND
        return [self._row(one, generator, around, is_easy) for one in images]

    def naming(self, one: Told, names: Sequence[str], generator: np.random.Generator, around: int = _AROUND) -> Row:
        """A row whose text names shapes by phrases such as "star" or "red star", each answered by the first that fits.

        A phrase that fits no shape is answered by NOTHING.
        """
        ids: list[int] = self._words(generator, around)
        found: list[str] = []
        for name in names:
            ids += [self._id[word] for word in name.split()] + self._words(generator, around)
            found.append(next((f"{c} {k}" for c, k in one.shapes if set(name.split()) <= {c, k}), NOTHING))
        return self._whole(ids, named_first(found, one.facts))

    def plain(self, one: Told, ids: Sequence[int]) -> Row:
        """A row whose text names nothing; without ids it has no text."""
        return self._whole(ids, one.facts) if ids else Row((), one.facts)

    def _row(self, one: Told, generator: np.random.Generator, around: int, is_easy: bool) -> Row:
        kind = generator.random()
        if kind < _WITHOUT_TEXT:
            return self.plain(one, ())
        if kind < _WITHOUT_TEXT + _PROMPT:
            return self.plain(one, self._prompts[generator.integers(len(self._prompts))])
        if not one.shapes or kind < _WITHOUT_TEXT + _PROMPT + _OVERLOOKED:
            return self.plain(one, [*self._words(generator, around), *self._words(generator, around), self._plain[0]])
        if not is_easy and generator.random() < _ABSENT:
            absent = sorted(set(KINDS) - {kind for _, kind in one.shapes})
            return self.naming(one, [absent[generator.integers(len(absent))]], generator, around)
        count = 2 if not is_easy and len(one.shapes) > 1 and generator.random() < _PAIR else 1
        chosen = generator.permutation(len(one.shapes))[:count]
        return self.naming(one, [_masked(one.shapes[i], generator) for i in chosen], generator, around)

    def _words(self, generator: np.random.Generator, most: int) -> list[int]:
        """Up to `most` words that name nothing, about half of them words that captions never say."""
        count = int(generator.integers(most + 1))
        pools = (self._plain, self._never)
        return [
            int(pool[generator.integers(len(pool))]) for pool in (pools[i] for i in generator.integers(2, size=count))
        ]

    def _whole(self, ids: Sequence[int], facts: tuple[str, ...]) -> Row:
        return Row((self._start, *ids, self._end), facts)


def _masked(shape: tuple[str, str], generator: np.random.Generator) -> str:
    colour, kind = shape
    kept = _MASKS[generator.integers(len(_MASKS))]
    return {"kind": kind, "colour": colour, "both": f"{colour} {kind}"}[kept]


def _word_id(tokenizer: Tokenizer, word: str) -> int:
    ids = tokenizer.encode(word, add_special_tokens=False).ids
    assert len(ids) == 1, word
    return int(ids[0])
