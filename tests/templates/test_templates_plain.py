"""What templates are filled with: a text comes out as plain Jinja renders it, and only what is used is made."""

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.annotation_fields import fields_of
from ib_data.blank import BLANKS, trimmed
from ib_data.cards import load_card
from ib_data.sample import Annotation, Answer, Turn
from ib_data.tasks import TASKS
from ib_data.templates import values as made_of
from ib_data.templates.language import MAX_RENDERED, TemplateTextError, render_text
from ib_data.templates.library import PACKAGED
from ib_data.templates.render_options import ANSWERS, DEFAULT_OPTIONS, OPTION_ORDERS, RenderOptions
from ib_data.templates.renderer import Renderer
from ib_data.templates.template_file import KNOWN_FIELDS

TEMPLATES = [template for task in TASKS for template in PACKAGED.load(task)]
PACKAGED_TEXTS = sorted({text for t in TEMPLATES for text in (t.text, *(target.text for target in t.targets))})
# Forms that the packaged templates have not.
OTHERS = (
    "", "{{ question }}", "{{ question }}{{ question }}", "{% if question %}{% endif %}", "a\n", "a\r\nb\n\n",
    "{# no #}x",
    "{% if question %}{% if context %}{{ context }}{% else %}-{% endif %}{% else %}{{ answer }}{% endif %}!",
    "a  {%- if question -%}  b {{ question -}}  c {% endif %}\n d", "{% raw %}{{ question }}{% endraw %}",
    "{{ 'a' }}{{ question }}", "{{ question if answer else context }}", "{% if not question %}x{% endif %}",
    "{% if question %}a{% elif answer %}b{% else %}c{% endif %}", "{{ question|upper }}", "100% {0} {question} %(a)s",
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(["", " ", "{{ answer }}", "{% if x %}", "%s {0}", "a\r\nb", "\u200f", "\ud800"]),
    st.text(max_size=20),
)


def outcome(work, *given):
    """The text, or what is wrong."""
    try:
        return work(*given)
    except TemplateTextError as error:
        return str(error)


PLAIN_JINJA = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)


@given(st.dictionaries(st.sampled_from(KNOWN_FIELDS), texts))
@settings(max_examples=40, deadline=None)
def test_every_text_comes_out_as_jinja_renders_it(values):
    for text in (*PACKAGED_TEXTS, *OTHERS):
        try:
            expected = PLAIN_JINJA.from_string(text).render(values)
        except jinja2.UndefinedError as error:
            expected = f"cannot be rendered: {error}"
        assert outcome(render_text, text, values) == expected


@pytest.mark.parametrize("length", [MAX_RENDERED // 2 - 1, MAX_RENDERED // 2, MAX_RENDERED // 2 + 1])
def test_an_output_has_one_bound(length):
    values = {"question": "a" * length}
    for text in ("{{ question }}{{ question }}", "{% if question %}{{ question }}{{ question }}{% endif %}"):
        found = outcome(render_text, text, values)
        assert ("longer than" in found) == (2 * length > MAX_RENDERED)


@given(
    st.text(st.sampled_from([*BLANKS[::7], " ", "\n", "a", "\u05d0", "\u0301", "\ud800"]), max_size=6)
    | st.text(max_size=6)
)
@settings(max_examples=500)
def test_a_text_is_trimmed_to_what_it_shows(text):
    assert trimmed(text) == (text.strip() if text.strip(BLANKS) else "")


blanks = st.sampled_from(["", " ", "\u200f", "a", " b\n"])
choices = st.lists(blanks, max_size=3).flatmap(
    lambda found: st.tuples(st.just(tuple(found)), st.sampled_from([None, *range(len(found))]))
)
annotations = st.builds(
    lambda choice, **given: Annotation(id="1", options=choice[0], answer_index=choice[1], **given),
    choice=choices,
    question=st.none() | blanks,
    caption=st.none() | blanks,
    context=st.none() | blanks,
    statement=st.none() | blanks,
    label=st.none() | blanks,
    answers=st.lists(st.builds(Answer, text=blanks, count=st.integers(0, 2)), max_size=3).map(tuple),
    ocr_tokens=st.lists(blanks, max_size=3).map(tuple),
    history=st.lists(st.builds(Turn, question=blanks, answer=blanks), max_size=2).map(tuple),
)


@given(annotations)
def test_a_field_is_there_where_its_text_is_not_blank(annotation):
    shared = fields_of(annotation) - {"answer", "right_option"}
    assert all(made_of.field_text(annotation, name) for name in shared)
    texts = {name: getattr(annotation, name) for name in ("question", "caption", "context", "statement", "label")}
    texts["ocr_text"] = "".join(annotation.ocr_tokens)
    has = {name for name, text in texts.items() if text and text.strip(BLANKS)}
    has |= {"options_text"} if any(option.strip(BLANKS) for option in annotation.options) else set()
    has |= {"history_text"} if annotation.history else set()
    assert shared == has


LISTING = next(t for t in TEMPLATES if t.shows_options)
NOT_LISTING = next(t for t in TEMPLATES if not t.shows_options)


@given(annotations, st.sampled_from(ANSWERS), st.sampled_from(OPTION_ORDERS), st.integers(0, 9))
def test_what_a_template_may_be_filled_with_has_a_text(annotation, answers, order, position):
    options = RenderOptions(answers=answers, option_order=order)
    card = load_card("vqav2")
    values = made_of.values_of(card, annotation, seed=0, position=position, options=options)
    for template in (LISTING, NOT_LISTING):
        found = {name: values.text(template, name) for name in template.usable(values.has)}
        assert all(trimmed(text) for text in found.values())
        assert found == values.of(template, found)
    usable = {a.text.strip() for a in annotation.answers if a.count and a.text.strip(BLANKS)}
    assert ("answer" in values.has) == bool(usable)
    assert not usable or values.text(NOT_LISTING, "answer") in usable
    index = annotation.answer_index
    right = "" if index is None else trimmed(annotation.options[index])
    assert ("right_option" in values.has) == bool(right)
    listed = LISTING.usable(values.has)
    assert ("answer_letter" in listed) == bool(right)
    assert ("answer" in listed) == bool(right if "options_text" in listed else usable)
    assert not right or values.text(LISTING, "answer") == right


def test_only_the_fields_of_the_drawn_template_are_made(monkeypatch):
    made = []
    for name in ("options_text", "ocr_text", "history_text", "_draw_answer"):
        make = getattr(made_of, name)
        monkeypatch.setattr(made_of, name, lambda *given, make=make, name=name: made.append(name) or make(*given))
    full = Annotation(
        id="1",
        question="What?",
        answers=(Answer("a cup", 2),),
        caption="A cup.",
        options=("a", "b"),
        ocr_tokens=("STOP",),
        history=(Turn("Is it red?", "yes"),),
    )
    caption, vqa = load_card("coco_caption"), load_card("vqav2")
    assert Renderer().render(caption, full, 0).target == "A cup."
    assert made == []
    assert Renderer().render(vqa, full, 0).target == "a cup"
    assert made == ["_draw_answer"]
    values = made_of.values_of(vqa, full, seed=0, position=0, options=DEFAULT_OPTIONS)
    template = next(t for t in TEMPLATES if t.shows_options)
    assert values.of(template, ("options_text", "label")) == {"options_text": "(a) a (b) b", "label": ""}
