"""A Renderer holds a library that is read once; one rule tells which templates fit, wherever the fields come from."""

import pickle
from dataclasses import replace

import pytest

from ib_data.annotation_fields import MADE_FROM, fields_of, promised_fields
from ib_data.cards import card_names, load_card
from ib_data.errors import DataError
from ib_data.sample import Annotation, Answer, Turn
from ib_data.stored.visible_fields import FIELDS
from ib_data.tasks import TASKS
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.renderer import Renderer
from ib_data.templates.template import fitting

WHOLE = Annotation(
    id="1",
    question="What?",
    answers=(Answer("a cup", 1),),
    caption="A cup.",
    options=("a cup", "a jar"),
    answer_index=0,
    context="A hint.",
    ocr_tokens=("STOP",),
    history=(Turn("Is it red?", "yes"),),
    statement="It is a cup.",
    label="hateful",
)


def write(folder, text):
    body = f"target = '{{{{ answer }}}}'\n[train]\nmine = '{text}'\n"
    (folder / "question_answering.toml").write_text(body, encoding="utf-8")


def test_a_library_reads_a_file_once(tmp_path):
    write(tmp_path, "First: {{ question }}")
    library = Library(tmp_path)
    before = library.load("question_answering")
    write(tmp_path, "Second: {{ question }}")
    assert library.load("question_answering") is before
    assert [t.text for t in before] == ["First: {{ question }}"]
    assert [t.text for t in Library(tmp_path).load("question_answering")] == ["Second: {{ question }}"]
    assert library.load("captioning") == PACKAGED.load("captioning")
    assert (repr(library), repr(PACKAGED)) == (f"Library({str(tmp_path)!r})", "Library()")


def test_a_renderer_that_was_sent_to_another_process_renders_the_same(tmp_path):
    write(tmp_path, "First: {{ question }}")
    card, of = load_card("vqav2"), Renderer(Library(tmp_path), 3)
    rendered = of.render(card, WHOLE, 5)
    write(tmp_path, "Second: {{ question }}")
    sent = pickle.loads(pickle.dumps(of))  # noqa: S301
    assert sent.render(card, WHOLE, 5) == rendered
    assert sent.digest(card) == of.digest(card) != Renderer(Library(tmp_path)).digest(card) != Renderer().digest(card)


def test_the_fields_have_one_list():
    assert tuple(MADE_FROM) == FIELDS
    assert fields_of(WHOLE) == promised_fields(Annotation.__dataclass_fields__) == frozenset(MADE_FROM)
    assert fields_of(Annotation(id="1")) == promised_fields(()) == frozenset()
    assert promised_fields(("options", "rationales")) == {"options_text"}
    assert promised_fields(("options", "answer_index")) == {"options_text", "right_option"}
    assert fields_of(replace(WHOLE, answer_index=7)) == frozenset(MADE_FROM) - {"right_option"}


@pytest.mark.parametrize("name", card_names())
def test_what_a_card_promises_is_enough_for_its_templates(name):
    card, of = load_card(name), Renderer()
    promised = promised_fields(card.splits[card.used_split].fields)
    may_hide = of.hides_targets(card, card.used_split)
    assert of.fitting(card.task, promised, needs_target=not may_hide)


@pytest.mark.parametrize("task", TASKS)
def test_a_template_fits_or_is_no_candidate(task):
    card = replace(load_card("vqav2"), task=task)
    for turns in ("each", "chat"):
        of = Renderer(options=RenderOptions(turns=turns))
        for lacking in MADE_FROM:
            has = frozenset(MADE_FROM) - {lacking}
            usable = has - {"history_text"} if turns == "chat" else has
            found = of.fitting(task, has)
            assert (
                found == fitting(of.templates(task), usable) == tuple(t for t in of.templates(task) if t.fits(usable))
            )
            assert not any(t.lacks(usable) for t in found)
            assert all(t.lacks(usable) for t in of.templates(task) if t not in found)
        names = {t.name for t in of.fitting(task, fields_of(WHOLE))}
        assert {r.template for r in of.render_all(card, WHOLE, 0)} == names
        assert {of.drawn(task, fields_of(WHOLE), p).name for p in range(200)} == names
        assert of.drawn(task, frozenset(), 0) is None


def test_a_faulty_file_is_an_error_at_every_use(tmp_path):
    write(tmp_path, "{{ nothing }}")
    of = Renderer(Library(tmp_path))
    for use in (of.templates, of.library.load, lambda _: of.render(load_card("vqav2"), WHOLE, 0)):
        for _ in range(2):
            with pytest.raises(DataError, match="unknown field 'nothing'"):
                use("question_answering")
