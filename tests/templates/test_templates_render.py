"""What decides an instruction and its target, and that nothing else does."""

import hashlib
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ib_data.annotation_fields import fields_of
from ib_data.cards import load_card
from ib_data.errors import DataError
from ib_data.sample import Annotation, Answer, Turn
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.highlights import MARK_END, MARK_START, marked
from ib_data.templates.values import MAX_OCR_TOKENS, field_text, history_text, ocr_text, options_text

COUNTS = {"red": 6, "dark red": 3, "crimson": 1}
VQA = Annotation(id="17", question="What colour?", answers=tuple(Answer(t, c) for t, c in COUNTS.items()))
CHOICE = replace(VQA, options=("red", "green", "red", "blue"), answer_index=2)


def test_seed_and_position_decide_everything():
    card = load_card("vqav2")
    first = [Renderer(seed=3).render(card, VQA, p) for p in range(200)]
    again = [Renderer(seed=3).render(card, VQA, p) for p in reversed(range(200))][::-1]
    assert first == again
    assert [r.position for r in first] == list(range(200))
    other = [Renderer(seed=4).render(card, VQA, p) for p in range(200)]
    assert [r.template for r in first] != [r.template for r in other]
    assert [r.target for r in first] != [r.target for r in other]


def test_global_random_state_is_neither_read_nor_moved():
    card = load_card("vqav2")
    random.seed(1)
    before, numpy_before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    one = Renderer().render(card, VQA, 5)
    assert random.getstate() == before
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002
    random.seed(2)
    assert Renderer().render(card, VQA, 5) == one


def test_answers_come_by_their_counts_and_templates_evenly():
    card = load_card("vqav2")
    n = 6000
    found = [Renderer().render(card, VQA, p) for p in range(n)]
    answers = Counter(r.target for r in found)
    for text, count in COUNTS.items():
        assert answers[text] / n == pytest.approx(count / 10, abs=0.02)
    templates = Counter(r.template for r in found)
    names = [t.name for t in PACKAGED.load("question_answering") if t.kind == "train"]
    assert set(templates) == set(names)
    for name in names:
        assert templates[name] / n == pytest.approx(1 / len(names), abs=0.02)


def bits(seed, stream, position):
    """The 128-bit integer of a draw, computed here once more: what seed and position mean is never to change."""
    digest = hashlib.blake2b(f"{seed},{stream},{position}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big")


@pytest.mark.parametrize(
    ("name", "annotation"),
    [
        ("coco_caption", Annotation(id="17", caption="A cup.")),
        ("vqav2", VQA),
        ("okvqa", VQA),
        ("aokvqa", CHOICE),
        ("vqav2_qg", VQA),
        ("vsr", Annotation(id="17", statement="A cup.", label="true")),
    ],
)
def test_only_lines_of_the_files_change_what_is_drawn(name, annotation):
    card = load_card(name)
    fields = {"question", "answer", "options_text"} if annotation.options else {"question", "answer"}
    fields |= {"caption", "statement", "label"} if not annotation.question else set()
    train = [t for t in PACKAGED.load(card.task) if t.kind == "train" and t.needs <= fields]
    train = [t for t in train if name != "vsr" or "statement" in t.fields]
    tickets = [text for text, count in COUNTS.items() for _ in range(count)]
    for seed, position in ((0, 0), (0, 1), (7, 2**40), (123456789, 11_500_000), *((3, p) for p in range(50))):
        rendered = Renderer(seed=seed).render(card, annotation, position)
        template = train[bits(seed, "templates/template", position) % len(train)]
        assert rendered.template == template.name
        if annotation.question and card.task != "question_generation":
            drawn = tickets[bits(seed, "templates/answer", position) % 10]
            assert rendered.target == ("red" if template.shows_options else drawn)


def test_the_draws_of_twelve_lines_are_pinned(tmp_path):
    lines = "".join(f"line{i} = 'Line {i}: {{{{ question }}}}'\n" for i in range(12))
    unfit = "first = 'With {{ context }}: {{ question }}'\n"  # a line that fits other annotations changes nothing
    for folder, body in ((tmp_path / "one", lines), (tmp_path / "two", unfit + lines)):
        folder.mkdir()
        text = f"target = '{{{{ answer }}}}'\n[train]\n{body}"
        (folder / "question_answering.toml").write_text(text, encoding="utf-8")
        card = load_card("vqav2")
        found = [Renderer(Library(folder), seed=5).render(card, VQA, p) for p in range(12)]
        assert [int(r.template[4:]) for r in found] == [2, 11, 6, 0, 2, 7, 9, 4, 0, 3, 1, 10]
        assert "".join(r.target[0] for r in found) == "drdrcrrddrrc"


def test_blank_answers_have_no_share_in_the_draw():
    blank = replace(VQA, answers=(Answer(" ", 5), *VQA.answers, Answer("\n", 2)))
    card = load_card("vqav2")
    for p in range(100):
        assert Renderer().render(card, blank, p) == Renderer().render(card, VQA, p)


def test_ocr_tokens_are_cut_and_rounds_are_joined():
    assert MAX_OCR_TOKENS == 30
    assert ocr_text(("a", " ", "b c", *map(str, range(40)))) == "a, b c, " + ", ".join(map(str, range(28)))
    assert history_text((Turn(" is {it} on ", "yes\n"), Turn("{0}", "no"))) == (
        "Question: is {it} on Answer: yes\nQuestion: {0} Answer: no"
    )
    assert ocr_text(()) == history_text(()) == ""


def test_template_and_answer_are_drawn_independently():
    card = load_card("vqav2")
    names = [t.name for t in PACKAGED.load(card.task) if t.kind == "train"]
    even = replace(VQA, answers=tuple(Answer(f"answer {i}", 1) for i in range(len(names))))
    pairs = Counter()
    for p in range(50 * len(names) ** 2):
        rendered = Renderer().render(card, even, p)
        pairs[rendered.template, rendered.target] += 1
    assert len(pairs) == len(names) ** 2
    assert max(pairs.values()) < 2 * 50


def test_provenance_is_complete():
    rendered = Renderer(seed=9).render(load_card("vqav2"), VQA, 41)
    template = next(t for t in PACKAGED.load("question_answering") if t.name == rendered.template)
    assert rendered.template_sha256 == template.sha256
    assert (rendered.task, rendered.dataset, rendered.annotation_id) == ("question_answering", "vqav2", "17")
    assert (rendered.seed, rendered.position) == (9, 41)


def test_options_are_shown_with_the_right_one_as_target():
    card = load_card("aokvqa")
    annotation = replace(CHOICE, options=("red", "green", "blue", "green"), answer_index=3)
    targets = {True: set(), False: set()}
    for rendered in Renderer().render_all(card, annotation, 0):
        shows = "(a) red (b) green (c) blue (d) green" in rendered.instruction
        targets[shows].add(rendered.target)
    assert targets[True] == {"green"}
    assert targets[False] <= set(COUNTS)


def test_options_that_share_a_text_keep_the_right_index():
    card = load_card("aokvqa")
    changed = replace(CHOICE, options=("red", "green", "red ", "blue"), answer_index=3)
    options = [t for t in PACKAGED.load("knowledge_question_answering") if t.shows_options and "context" not in t.needs]
    assert len(options) >= 3
    for template in options:
        assert Renderer().render(card, CHOICE, 0, template=template).target == "red"
        assert Renderer().render(card, changed, 0, template=template).target == "blue"


def test_option_templates_are_drawn_only_for_annotations_with_options():
    card = load_card("aokvqa")
    hinted = replace(CHOICE, context="A hint.")
    options = {t.name for t in PACKAGED.load(card.task) if t.kind == "train" and t.shows_options}
    with_hint = {Renderer().render(card, hinted, p).template for p in range(300)}
    with_options = {Renderer().render(card, CHOICE, p).template for p in range(300)}
    without = {Renderer().render(card, VQA, p).template for p in range(300)}
    only_options = {Renderer().render(card, replace(CHOICE, answers=()), p).template for p in range(300)}
    assert options <= with_hint
    assert options & with_options == only_options == options - {"read_hint"}
    assert not options & without


def test_question_generation_turns_the_pair_around():
    for p in range(50):
        rendered = Renderer().render(load_card("vqav2_qg"), VQA, p)
        assert rendered.target == "What colour?"
        assert any(text in rendered.instruction for text in COUNTS)
        assert "What colour?" not in rendered.instruction
        assert rendered.dataset == "vqav2_qg"


@pytest.mark.parametrize(
    ("name", "annotation", "lacking"),
    [
        ("vqav2", replace(VQA, answers=()), "answer"),
        ("vqav2", replace(VQA, answers=(Answer(" ", 10),)), "answer"),
        ("vqav2", replace(VQA, answers=(Answer("red", 0),)), "answer"),
        ("aokvqa", replace(CHOICE, answers=(), answer_index=None), "answer"),
        ("vqav2_qg", replace(VQA, question=None), "question"),
        ("coco_caption", Annotation(id="17", extra={"file": "x"}), "caption"),
        ("vsr", Annotation(id="17", statement="A cup."), "label or answer"),
    ],
)
def test_no_target_no_example(name, annotation, lacking):
    for render_it in (Renderer().render, Renderer().render_all):
        with pytest.raises(DataError, match=f"{name}: annotation 17: no {lacking} to render"):
            render_it(load_card(name), annotation, 0)


def test_a_given_template_that_does_not_fit_is_refused():
    template = next(t for t in PACKAGED.load("knowledge_question_answering") if t.shows_options)
    with pytest.raises(DataError, match="annotation 17: no options_text to render"):
        Renderer().render(load_card("aokvqa"), VQA, 0, template=template)


def test_an_index_beyond_the_options_is_refused():
    with pytest.raises(DataError, match=r"aokvqa: annotation 17: answer_index 9 points beyond the 4 options"):
        Renderer().render(load_card("aokvqa"), replace(CHOICE, answer_index=9), 0)


def test_strange_text_stays_as_it_is(hostile):
    card = load_card("vqav2")
    for text in hostile:
        annotation = Annotation(id="1", question=text, answers=(Answer(text, 1),))
        for rendered in Renderer().render_all(card, annotation, 0):
            assert text in rendered.instruction
            assert rendered.target == text


def test_blanks_at_the_ends_of_source_texts_are_left_out():
    annotation = Annotation(id="1", question=" What colour? \n", answers=(Answer("red ", 1),))
    for rendered in Renderer().render_all(load_card("vqav2"), annotation, 0):
        assert "  " not in rendered.instruction
        assert rendered.target == "red"


def test_marks_stand_around_the_values_alone(hostile):
    card = load_card("vqav2")
    for text in ("What colour?", *hostile):
        annotation = replace(VQA, question=text)
        for rendered in Renderer().render_all(card, annotation, 0):
            shown = marked(Renderer(), card, annotation, rendered)
            bare = text.replace(MARK_START, "").replace(MARK_END, "")
            assert f"{MARK_START}{bare}{MARK_END}" in shown
            assert shown.count(MARK_START) == shown.count(MARK_END) == 1


def test_a_filter_that_the_marks_disturb_gives_a_plain_instruction(tmp_path):
    body = "target = '{{ answer }}'\n[train]\na = '{{ question|capitalize }} Short answer:'\n"
    (tmp_path / "question_answering.toml").write_text(body, encoding="utf-8")
    card, of = load_card("vqav2"), Renderer(Library(tmp_path))
    rendered = of.render(card, VQA, 0)
    assert marked(of, card, VQA, rendered) == rendered.instruction == "What colour? Short answer:"


def test_fields_of_an_annotation():
    annotation = Annotation(id="1", context="Read this.", ocr_tokens=("STOP", "4-way"), options=("x",), statement=" ")
    assert {name: field_text(annotation, name) for name in fields_of(annotation)} == {
        "context": "Read this.", "ocr_text": "STOP, 4-way", "options_text": "(a) x",
    }  # fmt: skip
    assert fields_of(replace(annotation, ocr_tokens=(" ", "\t"), context=None, options=())) == frozenset()
    assert options_text(("blue", "yellow", "pink")) == "(a) blue (b) yellow (c) pink"
