"""Rows of ids behind slots, and batches of rows: as the product's collator lays them out.

A causal model reads the slots, BOS, instruction, target, EOS. An encoder reads the slots, the instruction, EOS, and the
decoder says target, EOS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ib_data.training.backbones.recitals import Recital
from ib_data.training.backbones.slots import MAX_WORDS, NO_WORD, NOTHING, NUM_QUERIES
from ib_data.training.backbones.texts import Item
from ib_data.training.text.word_tokenizers import BOS, EOS

_FULL, _BRIEF = 0.6, 0.8  # below: deciding facts with all words; with the needed words alone; else with some more
_CANONICAL, _SHORTENED, _FILLED = 0.75, 0.3, 0.75


@dataclass(frozen=True, slots=True)
class Row:
    """`slots`: the words of each; `prompt`: the ids before `output`, without slots; `learnt`: for each of `output`."""

    slots: tuple[tuple[int, ...], ...]
    prompt: tuple[int, ...]
    output: tuple[int, ...]
    learnt: tuple[bool, ...]

    @property
    def length(self) -> int:
        """How many positions the row takes."""
        return len(self.slots) + len(self.prompt) + len(self.output)


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that the tokenizer has."""
    found: int | None = tokenizer.token_to_id(token)
    assert found is not None, token
    return found


class Reader:
    """Makes rows of items and recitals; `is_causal` as in the product's RowMaker."""

    def __init__(self, tokenizer: Tokenizer, *, is_causal: bool) -> None:
        self.tokenizer, self.is_causal = tokenizer, is_causal
        self._bos, self.eos_id = token_id(tokenizer, BOS), token_id(tokenizer, EOS)
        self._known: dict[str, tuple[int, ...]] = {}

    def ids(self, text: str) -> tuple[int, ...]:
        """The ids of a text, without special tokens."""
        if text not in self._known:
            self._known[text] = tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)
        return self._known[text]

    def item(self, item: Item, rng: Random, target: str | None = None) -> Row:
        """The row of an item with randomly filled slots; `target` in place of the item's own."""
        output = (*self.ids(item.target if target is None else target), self.eos_id)
        learnt = (True,) * len(output)
        return Row(self._slots(told(item, rng)), self._prompt(self.ids(item.instruction)), output, learnt)

    def recital(self, one: Recital, rng: Random) -> Row:
        """The row of a recital. An encoder reads all keys of a list, or one question of a talk."""
        slots = self._slots(rng.sample(one.facts, len(one.facts)))
        pairs = [(self.ids(key), self.ids(value)) for key, value in one.pairs]
        if one.is_talk:
            pairs = [(key, (*value, self.eos_id)) for key, value in pairs]
            if not self.is_causal:
                key, value = pairs[0]
                return Row(slots, self._prompt(key), value, (True,) * len(value))
        heading = self.ids(one.heading)
        if not self.is_causal:
            heading += tuple(i for key, _ in pairs for i in key)
        output = tuple(i for key, value in pairs for i in (*key, *value))
        learnt = tuple(is_value for key, value in pairs for is_value in (False,) * len(key) + (True,) * len(value))
        return Row(slots, self._prompt(heading), output, learnt)

    def _prompt(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        return (self._bos, *ids) if self.is_causal else (*ids, self.eos_id)

    def _slots(self, facts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """The words of each fact; NOTHING fills what is left of the last frame."""
        more = -len(facts) % NUM_QUERIES if facts else NUM_QUERIES
        return tuple(map(self.ids, (*facts, *[NOTHING] * more)))


def told(item: Item, rng: Random) -> list[str]:
    """The facts in the slots of an item: the deciding ones among others or NOTHING, NUM_QUERIES for each frame."""
    if item.frames:
        return [fact for frame in item.frames for fact in _frame(frame, rng)]
    draw = rng.random()
    facts = list(item.facts if draw < _FULL else item.brief)
    if draw >= _BRIEF:
        facts = [_with_more(brief, fact, rng) for brief, fact in zip(item.brief, item.facts, strict=True)]
    if item.ordered and rng.random() < _CANONICAL:
        return [*facts, *[NOTHING] * (NUM_QUERIES - len(facts))]
    others = [fact for fact in item.others if fact not in item.facts]
    more = rng.sample(others, min(NUM_QUERIES - len(facts), len(others)))
    facts += [_shortened(fact, rng) if rng.random() < _FILLED else NOTHING for fact in more]
    facts += [NOTHING] * (NUM_QUERIES - len(facts))
    rng.shuffle(facts)
    return facts


def _frame(frame: tuple[str, ...], rng: Random) -> list[str]:
    facts = [*frame, *[NOTHING] * (NUM_QUERIES - len(frame))]
    rng.shuffle(facts)
    return facts


def _with_more(brief: str, fact: str, rng: Random) -> str:
    """The needed words of a fact and some of the others, in their order."""
    needed = brief.split()
    return " ".join(word for word in fact.split() if word in needed or rng.random() < 0.5)


def _shortened(fact: str, rng: Random) -> str:
    """A fact that decides nothing, for a share without some of its words; counts and signs stay whole."""
    words = fact.split()
    if words[0] == "count" or len(words) < 5 or rng.random() > _SHORTENED:
        return fact
    return " ".join(word for word in words if rng.random() < 0.6) or fact


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded on the right. `ids`, `mask`: what the model or its encoder reads, with `image_id` at the slots.

    `words` (slots, MAX_WORDS) of all rows one after the other; `decoder_ids` for an encoder-decoder model;
    `places`: flat positions whose logits predict `targets`.
    """

    ids: Tensor
    mask: Tensor
    words: Tensor
    decoder_ids: Tensor | None
    places: Tensor
    targets: Tensor
    rows_of: Tensor


def batch_of(rows: Sequence[Row], image_id: int, pad_id: int, *, is_causal: bool) -> Batch:
    """A batch of rows."""
    words = [list(slot) + [NO_WORD] * (MAX_WORDS - len(slot)) for row in rows for slot in row.slots]
    read = [[image_id] * len(row.slots) + list(row.prompt) + (list(row.output) if is_causal else []) for row in rows]
    said = read if is_causal else [[pad_id, *row.output[:-1]] for row in rows]
    width = max(map(len, said))
    places, targets, rows_of = [], [], []
    for i, row in enumerate(rows):
        start = i * width + (len(row.slots) + len(row.prompt) - 1 if is_causal else 0)
        for j, (target, is_learnt) in enumerate(zip(row.output, row.learnt, strict=True)):
            if is_learnt:
                places.append(start + j)
                targets.append(target)
                rows_of.append(i)
    ids = _padded(read, pad_id)
    return Batch(
        ids=ids,
        mask=_padded([[1] * len(row) for row in read], 0),
        words=torch.tensor(words),
        decoder_ids=None if is_causal else _padded(said, pad_id),
        places=torch.tensor(places),
        targets=torch.tensor(targets),
        rows_of=torch.tensor(rows_of),
    )


def _padded(rows: Sequence[list[int]], fill: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [fill] * (width - len(row)) for row in rows])
