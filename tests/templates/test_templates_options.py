"""Answers, the order of options and the form of their targets: what a run may choose, and that nothing else changes."""

import random
from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.blank import trimmed
from ib_data.cards import load_card
from ib_data.errors import DataError
from ib_data.sample import Annotation, Answer
from ib_data.strict import Table
from ib_data.templates.library import PACKAGED
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.highlights import MARK_END, MARK_START, marked

VQA = Annotation(
    id="17",
    question="What colour?",
    answers=(Answer("crimson", 1), Answer("red ", 3), Answer("green", 6), Answer("red", 3), Answer(" ", 90)),
)
CHOICE = Annotation(id="17", question="What colour?", options=("red", "green", "red", "blue"), answer_index=2)
MAJORITY, UNIFORM = RenderOptions(answers="majority"), RenderOptions(answers="uniform")
SHUFFLED, LETTERS = RenderOptions(option_order="shuffled"), RenderOptions(choice_targets="letter")


def targets(annotation, options, n=200):
    card = load_card("vqav2")
    return [Renderer(options=options).render(card, annotation, p).target for p in range(n)]


def listed(instruction):
    """The options of an instruction, each a word, by letter."""
    text = instruction[instruction.index("(a) ") :]
    return {part[0]: part[2:].split()[0].rstrip(".") for part in text.split("(")[1:]}


def choices(annotation, options, n=24):
    """Renders of an annotation by all templates that list its options, at `n` positions."""
    card = load_card("aokvqa")
    has = frozenset({"question", "options_text", "right_option"})
    shown = [t for t in PACKAGED.load(card.task) if t.shows_options and t.fits(has)]
    return [Renderer(options=options).render(card, annotation, p, template=t) for t in shown for p in range(n)]


def test_the_default_is_what_no_options_give():
    card = load_card("aokvqa")
    for p in range(50):
        both = replace(CHOICE, answers=VQA.answers)
        assert Renderer(seed=1, options=RenderOptions()).render(card, both, p) == Renderer(seed=1).render(card, both, p)


def test_the_majority_is_the_same_at_every_position_and_the_first_of_equals():
    assert set(targets(VQA, MAJORITY)) == {"red"}  # 3 + 3 annotators wrote it, with a blank or without
    assert set(targets(replace(VQA, answers=VQA.answers[::-1]), MAJORITY)) == {"red"}
    assert set(targets(replace(VQA, answers=(Answer("a", 2), Answer("b", 5), Answer("c", 5))), MAJORITY)) == {"b"}


def test_uniform_draws_each_distinct_answer_alike():
    n = 3000
    shares = {text: count / n for text, count in Counter(targets(VQA, UNIFORM, n)).items()}
    assert shares == pytest.approx(dict.fromkeys(["crimson", "red", "green"], 1 / 3), abs=0.03)
    assert targets(VQA, UNIFORM) == targets(VQA, UNIFORM)


@pytest.mark.parametrize("options", [RenderOptions(), MAJORITY, UNIFORM])
def test_a_blank_answer_never_becomes_a_target(options):
    assert " " not in targets(VQA, options)
    assert "" not in targets(VQA, options)
    for blank in ((), (Answer(" ", 10),), (Answer("\n", 1), Answer("\u3000", 2))):
        with pytest.raises(DataError, match="vqav2: annotation 17: no answer to render question_answering from"):
            targets(replace(VQA, answers=blank), options, 1)


def test_the_way_of_answering_does_not_change_the_template():
    card = load_card("vqav2")
    for p in range(50):
        names = {
            Renderer(seed=2, options=o).render(card, VQA, p).template for o in (RenderOptions(), MAJORITY, UNIFORM)
        }
        assert len(names) == 1


def test_options_are_shuffled_by_position_and_the_right_one_follows():
    changed = replace(CHOICE, options=("red", "green", "white", "blue"))
    found = choices(changed, SHUFFLED, 60)
    assert {rendered.target for rendered in found} == {"white"}
    orders = Counter(tuple(listed(rendered.instruction).values()) for rendered in found)
    assert all(sorted(order) == sorted(changed.options) for order in orders)
    assert len(orders) > 20
    assert found == choices(changed, SHUFFLED, 60)


def test_every_order_is_as_likely():
    three = replace(CHOICE, options=("x", "y", "z"), answer_index=0)
    orders = Counter(tuple(listed(rendered.instruction).values()) for rendered in choices(three, SHUFFLED, 1200)[:1200])
    assert set(orders) == set(permutations("xyz"))
    assert all(count / 1200 == pytest.approx(1 / 6, abs=0.05) for count in orders.values())


def test_options_of_one_text_stay_right_when_shuffled():
    both = RenderOptions(option_order="shuffled", choice_targets="letter")
    letters = {rendered.target for rendered in choices(CHOICE, both)}
    assert letters == {"(a)", "(b)", "(c)", "(d)"}
    for rendered in choices(CHOICE, both):
        assert listed(rendered.instruction)[rendered.target.strip("()")] == "red"
    assert {rendered.target for rendered in choices(CHOICE, SHUFFLED)} == {"red"}


def test_a_letter_is_the_target_where_options_are_listed_and_only_there():
    card, both = load_card("aokvqa"), replace(CHOICE, answers=(Answer("ruby", 1),))
    found = {t.name: t.shows_options for t in PACKAGED.load(card.task)}
    for rendered in Renderer(options=LETTERS).render_all(card, both, 0):
        assert rendered.target == ("(c)" if found[rendered.template] else "ruby")


def test_a_dataset_without_options_keeps_its_texts():
    for options in (LETTERS, SHUFFLED, RenderOptions(turns="chat")):
        assert targets(VQA, options, 30) == targets(VQA, RenderOptions(), 30)
    vsr = Annotation(id="1", statement="The cup is left of the jar.", label="false")
    assert Renderer(options=LETTERS).render(load_card("vsr"), vsr, 0).target == "false"


def test_letters_of_the_papers_prompt():
    annotation = replace(CHOICE, context="Look.")
    (prompt,) = [t for t in PACKAGED.load("knowledge_question_answering") if t.name == "scienceqa"]
    rendered = Renderer(options=LETTERS).render(load_card("scienceqa"), annotation, 0, template=prompt)
    assert rendered.instruction.endswith("Options: (a) red (b) green (c) red (d) blue. Answer:")
    assert rendered.target == "(c)"


@pytest.mark.parametrize("blank", ["", " ", "\u200b"])
def test_a_blank_option_is_not_listed_and_takes_no_letter(blank):
    """As one of A-OKVQA: the stored list keeps it, so that the index still points at the right one."""
    annotation = replace(CHOICE, options=("s", blank, "b", "f"), answer_index=3)
    shown = {"a": "s", "b": "b", "c": "f"}
    assert all(listed(rendered.instruction) == shown for rendered in choices(annotation, RenderOptions(), 3))
    assert {rendered.target for rendered in choices(annotation, RenderOptions(), 3)} == {"f"}
    assert {rendered.target for rendered in choices(annotation, LETTERS, 3)} == {"(c)"}
    assert {rendered.target for rendered in choices(replace(annotation, answer_index=0), LETTERS, 3)} == {"(a)"}
    for rendered in choices(annotation, RenderOptions(option_order="shuffled", choice_targets="letter"), 20):
        assert listed(rendered.instruction)[rendered.target.strip("()")] == "f"
        assert set(listed(rendered.instruction)) == {"a", "b", "c"}


def test_options_that_are_all_blank_are_no_options():
    annotation = replace(CHOICE, options=("", " "), answer_index=0, answers=(Answer("ruby", 1),))
    for rendered in Renderer().render_all(load_card("aokvqa"), annotation, 0):
        assert "(a)" not in rendered.instruction
        assert rendered.target == "ruby"


def test_marks_stand_around_shuffled_options():
    card = load_card("aokvqa")
    for rendered in choices(CHOICE, SHUFFLED, 5):
        shown = marked(Renderer(options=SHUFFLED), card, CHOICE, rendered)
        assert shown.replace(MARK_START, "").replace(MARK_END, "") == rendered.instruction
        assert f"{MARK_START}(a) " in shown


def test_global_random_state_is_neither_read_nor_moved():
    options = RenderOptions(answers="uniform", option_order="shuffled")
    random.seed(1)
    before = random.getstate()
    first = choices(replace(CHOICE, answers=VQA.answers), options, 5)
    assert random.getstate() == before
    random.seed(2)
    assert choices(replace(CHOICE, answers=VQA.answers), options, 5) == first


@pytest.mark.parametrize("options", [RenderOptions(), SHUFFLED, LETTERS])
def test_an_index_beyond_the_options_is_refused(options):
    for annotation in (replace(CHOICE, answer_index=9), replace(CHOICE, answer_index=0, options=())):
        with pytest.raises(
            DataError, match=r"annotation 17: answer_index \d points beyond the \d options; build aokvqa"
        ):
            Renderer(options=options).render(load_card("aokvqa"), annotation, 0)


TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXT, min_size=1, max_size=30), st.data(), st.integers(0, 2**62))
def test_any_options_keep_the_right_one(texts, data, position):
    index = data.draw(st.integers(0, len(texts) - 1))
    annotation = replace(CHOICE, options=tuple(texts), answer_index=index)
    card = load_card("aokvqa")
    for options in (SHUFFLED, RenderOptions(option_order="shuffled", choice_targets="letter")):
        if not trimmed(texts[index]):
            with pytest.raises(DataError, match="no answer to render"):
                Renderer(options=options).render(card, annotation, position)
            continue
        rendered = Renderer(options=options).render(card, annotation, position)
        right = trimmed(texts[index])
        if options.choice_targets == "text":
            assert rendered.target == right
        else:
            assert f"{rendered.target} {right}" in rendered.instruction


def test_hostile_texts_stay_as_they_are(hostile):
    for text in hostile:
        annotation = replace(CHOICE, question=text, options=(text, "x", text), answer_index=0)
        for rendered in choices(annotation, SHUFFLED, 3):
            assert rendered.instruction.count(text) == 3
            assert rendered.target == text


def test_an_endless_text_is_refused_with_dataset_and_id():
    annotation = replace(VQA, question="x" * 99_999)
    with pytest.raises(DataError, match=r"vqav2: annotation 17: template .*, instruction: .*longer than 100,000"):
        Renderer().render(load_card("vqav2"), annotation, 0)


def test_options_are_read_strictly():
    def read(values):
        return RenderOptions.of(Table.of(values, "mixture", "spec.toml"))

    assert read({"answers": "majority", "turns": "chat"}) == RenderOptions(answers="majority", turns="chat")
    assert read({}) == RenderOptions()
    with pytest.raises(DataError, match="unknown key 'answer'; did you mean 'answers'"):
        read({"answer": "majority"})
    with pytest.raises(DataError, match="unknown value 'majorty'; did you mean 'majority'"):
        read({"answers": "majorty"})
