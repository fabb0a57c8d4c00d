"""The corpus of the language models: what it covers, and that its facts decide."""

from collections import defaultdict
from dataclasses import replace
from random import Random

import pytest

from ib_data.cards import load_card
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.training.backbones.exercise import WORLD, brief_fact, scene_facts
from ib_data.training.backbones.exercises import FIRST_SCENE, exercises
from ib_data.training.backbones.reading import told
from ib_data.training.backbones.recitals import recited_texts
from ib_data.training.backbones.slots import MAX_WORDS, NOTHING, NUM_QUERIES, word_ids
from ib_data.training.backbones.texts import Item, corpus, unseen
from ib_data.training.backbones.vocabulary import LANGUAGE_FOLDERS, tokenizers_of, vocabulary_texts

HELD_OUT = {"gqa", "vsr", "visdial", "iconqa", "scienceqa", "textvqa", "vizwiz", "hateful_memes", "msvd_qa", "ivqa"}


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return corpus(24)


def test_every_held_in_set_is_told_in_every_way(items: list[Item]) -> None:
    ways = defaultdict(set)
    for item in items:
        ways[item.dataset].add(item.way)
    held_in = {name for name in ways if load_card(name).role == "held-in"}
    assert held_in == {member.dataset for member in load_mixture("instructblip").members}
    assert set(ways) >= HELD_OUT
    for name in held_in:
        assert "templates" in ways[name]
    assert ways["vqav2"] == {"templates", "prompt", "plain", "dataset"}
    assert ways["gqa"] == {"prompt"}


def test_equal_calls_give_equal_texts(items: list[Item]) -> None:
    assert corpus(2) == items[: len(corpus(2))]


def test_unseen_texts_are_about_other_scenes(items: list[Item]) -> None:
    found = unseen(3, ("prompt",))
    assert {item.way for item in found if item.dataset == "vqav2"} == {"prompt"}
    assert not {item.facts for item in found if len(item.facts) > 2} & {item.facts for item in items}


def test_facts_are_those_of_the_scene() -> None:
    for number in range(8):
        facts = set(scene_facts(WORLD.scene(FIRST_SCENE + number)))
        for exercise in exercises(number, 1):
            if exercise.dataset in ("vqav2", "gqa", "vsr", "okvqa", "visdial", "hateful_memes", "llava_detail"):
                assert set(exercise.facts) <= facts
            assert len(exercise.brief) == len(exercise.facts) <= NUM_QUERIES
            if exercise.kind != "caption":
                for brief, fact in zip(exercise.brief, exercise.facts, strict=True):
                    assert set(brief.split()) <= set(fact.split())


@pytest.mark.parametrize(
    ("text", "answers", "brief"),
    [
        ("What color is the star?", ("color",), "red star"),
        ("Is the shape in the top left small?", ("size",), "top left large"),
        ("Is the star to the left of the circle?", ("place",), "top left star"),
        ("What shape is in the top left?", ("kind",), "top left star"),
    ],
)
def test_needed_words_of_a_fact(text: str, answers: tuple[str, ...], brief: str) -> None:
    assert brief_fact("top left large red star", text, answers) == brief


def test_slots_of_an_item_hold_what_decides_it(items: list[Item]) -> None:
    rng = Random(0)
    for item in items:
        facts = told(item, rng)
        assert len(facts) == NUM_QUERIES * max(1, len(item.frames))
        for brief in item.brief:
            assert any(set(brief.split()) <= set(fact.split()) for fact in facts), (item, facts)


def test_captions_are_told_in_their_order(items: list[Item]) -> None:
    rng, found = Random(0), 0
    caption = next(item for item in items if item.kind == "caption" and len(item.brief) == 4)
    for _ in range(100):
        found += told(caption, rng) in ([*caption.brief], [*caption.facts])
    assert 60 < found < 95
    assert told(replace(caption, brief=(), facts=(), others=()), rng) == [NOTHING] * NUM_QUERIES


def test_words_of_facts_and_texts_are_known(items: list[Item]) -> None:
    found = tokenizers_of(vocabulary_texts(items, recited_texts(50)))
    for folder in LANGUAGE_FOLDERS.values():
        backend = found[folder].backend_tokenizer
        for item in unseen(6, ("prompt",)):
            if item.dataset == "ocrvqa":
                continue  # so few books have not all authors
            if item.way == "prompt":
                assert "<unk>" not in backend.encode(item.instruction).tokens + backend.encode(item.target).tokens, item
            facts = [*item.facts, *item.brief, *item.others, *(fact for frame in item.frames for fact in frame)]
            assert word_ids(backend, [*facts, NOTHING]).shape[1] == MAX_WORDS
