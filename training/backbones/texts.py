"""The corpus of the language models: exercises as instructions and targets, with the facts that decide them.

Held-in sets are rendered by their training templates, by plain zero-shot prompts, and as multitask training renders
them; held-out sets by their zero-shot prompts. All forms of the targets of the held-in sets are among them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ib_data.builders.miniature import visdial
from ib_data.builders.miniature.ocrvqa import GENRES
from ib_data.builders.miniature.world.scene import ALL_COLOURS, KINDS, SIZES
from ib_data.builders.miniature.world.signs import WORDS
from ib_data.builders.miniature.world.words import NUMBERS, THINGS
from ib_data.cards import Card, load_card
from ib_data.keyed import keyed_below
from ib_data.templates.library import PACKAGED
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.renderer import Renderer
from ib_data.templates.template import Template
from ib_data.training.backbones.exercise import Exercise
from ib_data.training.backbones.exercises import exercises

NUM_SCENES = 2000
FIRST_UNSEEN = 1_000_000  # number of the first scene for scores; no training text is about it
SEED = 0
# How the exercises of held-in sets are rendered: of 20 so many by templates, prompts, as they are, with their dataset.
_WAYS = ("templates",) * 12 + ("prompt",) * 6 + ("plain", "dataset")
_SHORT = ("question_answering", "vizwiz")
# Task of a held-in set -> (task, dataset) of the zero-shot prompt that asks the same.
_PROMPTS = {
    "captioning": ("captioning", "nocaps"),
    "captioning_scene_text": ("captioning", "nocaps"),
    "question_answering": _SHORT,
    "knowledge_question_answering": _SHORT,
    "question_answering_scene_text": _SHORT,
}
_LARGEST_NUMBER = 100  # of a board, and a wrong guess


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An instruction and its target, and the facts that decide it: see `Exercise`. `way`: how it was rendered."""

    facts: tuple[str, ...]
    instruction: str
    target: str
    kind: str
    dataset: str
    way: str
    brief: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    frames: tuple[tuple[str, ...], ...] = ()
    right: tuple[str, ...] = ()
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Teller:
    """Renders exercises. `answers`: as in RenderOptions; `ways`: what held-in sets are rendered by in turn."""

    answers: str = "frequency"
    ways: Sequence[str] = _WAYS
    _renderers: dict[str, Renderer] = field(default_factory=dict, init=False)

    def item(self, exercise: Exercise, position: int) -> Item:
        """One exercise as instruction and target, drawn by `position`."""
        card = load_card(exercise.dataset)
        way = self.ways[keyed_below(len(self.ways), SEED, "backbones.way", position)]
        template = self._prompt(card, exercise) if way == "prompt" or card.role == "held-out" else None
        if card.role == "held-out" or (way == "prompt" and template is None):
            way = "prompt" if template else "templates"
        rendered = self._renderer(way).render(card, exercise.annotation, position, template=template)
        assert rendered.target is not None
        return Item(
            facts=exercise.facts,
            instruction=rendered.instruction,
            target=rendered.target,
            kind=exercise.kind,
            dataset=exercise.dataset,
            way=way,
            brief=exercise.brief,
            others=exercise.others,
            frames=exercise.frames,
            right=exercise.right,
            ordered=exercise.ordered,
        )

    def _renderer(self, way: str) -> Renderer:
        if way not in self._renderers:
            how = way if way in ("plain", "dataset") else "templates"
            options = RenderOptions(answers=self.answers, instructions=how)
            self._renderers[way] = Renderer(seed=SEED, options=options)
        return self._renderers[way]

    def _prompt(self, card: Card, exercise: Exercise) -> Template | None:
        """The zero-shot prompt: a held-out dataset's own, or that of another dataset that asks the same."""
        if card.role == "held-out":
            return self._renderer("templates").zero_shot(card)
        if card.task not in _PROMPTS:
            return None
        task, name = _PROMPTS[card.task]
        if exercise.annotation.options and int(exercise.annotation.id) % 2:
            task, name = "visual_reasoning", "iconqa"
        return next(t for t in PACKAGED.load(task) if t.kind == "zero_shot" and t.name == name)


def corpus(num_scenes: int = NUM_SCENES) -> list[Item]:
    """The training texts: some 62 a scene."""
    teller = Teller()
    return [teller.item(exercise, position) for position, exercise in enumerate(exercises(0, num_scenes))]


def unseen(num_scenes: int, ways: Sequence[str]) -> list[Item]:
    """Texts about scenes that no training text is about, with the best answers as targets."""
    teller = Teller("majority", ways)
    found = exercises(FIRST_UNSEEN, num_scenes)
    return [teller.item(exercise, FIRST_UNSEEN + position) for position, exercise in enumerate(found)]


def all_words(items: Sequence[Item]) -> Iterator[str]:
    """Texts that together have each word of facts, templates and answers, whatever was drawn."""
    for item in items:
        yield item.instruction
        yield item.target
        yield from item.facts
        yield from item.others
        yield from (fact for frame in item.frames for fact in frame)
    yield from (*KINDS, *SIZES, *ALL_COLOURS, *NUMBERS, *map(str, range(_LARGEST_NUMBER + 1)), *GENRES, *visdial.POOL)
    yield from (thing for things in THINGS.values() for thing in things)
    for word in WORDS:
        yield from (word, word.lower(), f"{word[:-1]}0", word[:-1].lower(), f"{word[:-1].lower()}0")
    yield from (kind[1:] for kind in KINDS)  # a row of VSR lost a letter
    yield from (kind[:-2] for kind in (*KINDS, *ALL_COLOURS))  # and answers of iVQA half a word
