"""A dialogue as one chat: its turns, what is learnt of it, and how it is shown."""

import json
from dataclasses import replace

import pytest

from ib_data.cards import load_card
from ib_data.errors import DataError
from ib_data.sample import Annotation, Answer, Turn
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.highlights import marked

CHAT = RenderOptions(turns="chat")
TURNS = (Turn("What is it?", "A cup."), Turn(" What colour? ", "Red.\n"))
LAST = Annotation(id="9-2", question="Who owns it?", answers=(Answer("Nobody knows.", 1),), history=TURNS)


def chat(annotation=LAST, name="llava_conversation", folder=None, template=None):
    return Renderer(Library(folder), options=CHAT).render(load_card(name), annotation, 4, template=template)


def test_the_last_annotation_holds_the_whole_conversation():
    rendered = chat()
    assert rendered.instruction == "Who owns it?"
    assert rendered.target == "Nobody knows."
    assert rendered.earlier == (Turn("What is it?", "A cup."), Turn("What colour?", "Red."))
    assert rendered.segments == (
        ("What is it?", False),
        ("A cup.", True),
        ("What colour?", False),
        ("Red.", True),
        ("Who owns it?", False),
        ("Nobody knows.", True),
    )


def test_by_default_the_history_stands_in_the_instruction():
    rendered = Renderer().render(load_card("llava_conversation"), LAST, 4)
    assert rendered.earlier == ()
    assert rendered.instruction.startswith("Question: What is it? Answer: A cup.\n")
    assert rendered.segments == ((rendered.instruction, False), ("Nobody knows.", True))


def test_the_first_turn_is_a_chat_of_one_turn():
    first = replace(LAST, history=())
    assert chat(first) == Renderer().render(load_card("llava_conversation"), first, 4)


def test_the_template_is_drawn_as_if_there_were_no_history():
    card, without = load_card("visdial"), replace(LAST, history=())
    for position in range(60):
        rendered = Renderer(options=CHAT).render(card, LAST, position)
        assert replace(rendered, earlier=()) == Renderer().render(card, without, position)
        assert len(rendered.earlier) == 2
    for rendered in Renderer(options=CHAT).render_all(card, LAST, 0):
        assert "A cup." not in rendered.instruction
        assert marked(Renderer(options=CHAT), card, LAST, rendered).count("A cup.") == 0


def test_the_papers_dialogue_prompt_has_no_history_line_in_a_chat():
    (prompt,) = [t for t in PACKAGED.load("visual_dialogue") if t.name == "visdial"]
    assert chat(name="visdial", template=prompt).instruction == "Question: Who owns it? Short answer:"


def test_a_template_that_needs_the_history_is_not_drawn(tmp_path):
    body = "target = '{{ answer }}'\n[train]\na = '{{ history_text }} {{ question }}'\nb = '{{ question }}'\n"
    (tmp_path / "llava.toml").write_text(body, encoding="utf-8")
    assert {chat(replace(LAST, id=str(i)), folder=tmp_path).template for i in range(9)} == {"b"}
    (tmp_path / "only").mkdir()
    only = body.replace("b = '{{ question }}'\n", "")
    (tmp_path / "only" / "llava.toml").write_text(only, encoding="utf-8")
    with pytest.raises(DataError, match="annotation 9-2: no history_text to render llava from"):
        chat(folder=tmp_path / "only")


def test_a_blank_turn_is_never_learnt():
    odd = replace(LAST, history=(Turn("What?", " "), *TURNS, Turn("\n", "Yes.")))
    assert chat(odd).earlier == chat().earlier


def test_hostile_turns_stay_as_they_are(hostile):
    odd = replace(LAST, history=tuple(Turn(text, text) for text in hostile))
    assert [turn.answer for turn in chat(odd).earlier] == list(hostile)


@pytest.fixture
def chats(build):
    return build("llava_conversation", "train", [((replace(LAST, id="9-0", history=()), LAST), None)])


def test_a_chat_in_the_terminal(chats, cli):
    out = cli("render", "llava_conversation", "--chat", "--home", chats.root).out
    assert out.splitlines()[-6:-2] == ["  What is it?", "  -> A cup.", "  What colour?", "  -> Red."]
    assert out.splitlines()[-2].endswith("] Who owns it?")
    shown = cli("show", "llava_conversation", "--chat", "--home", chats.root).out
    assert "  What colour?\n    -> Red.\n  [own_question] Who owns it?" in shown


def test_a_chat_as_json_and_in_a_page(chats, cli, tmp_path):
    first, last = json.loads(cli("render", "llava_conversation", "--chat", "--json", "--home", chats.root).out)
    assert last["earlier"][1] == {"question": "What colour?", "answer": "Red."}
    assert "earlier" not in first
    assert cli("render", "llava_conversation", "--chat", "--html", tmp_path / "p.html", "--home", chats.root).code == 0
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert '<p class="earlier"><bdi>What colour?</bdi></p>\n<p class="target"><bdi>Red.</bdi></p>' in page
