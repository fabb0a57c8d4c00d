"""Every template over annotations as each of the 26 datasets has them, and the zero-shot prompts to the character."""

import re
from dataclasses import replace

import pytest

from ib_data.cards import card_names, load_card
from ib_data.errors import DataError
from ib_data.sample import Annotation, Answer, Turn
from ib_data.tasks import TASKS
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.highlights import MARK_END, MARK_START, marked
from ib_data.templates.template_file import PAPER_HELD_OUT

ANSWERS = (Answer("a cup", 6), Answer("mug", 4))
OPTIONS = ("a plate", "a cup", "a plate")
ASKED = Annotation(id="q", question="What stands on the table?", answers=ANSWERS)
ONE = replace(ASKED, answers=(Answer("a cup", 1),))
CHOICE = Annotation(id="q", question="What stands on the table?", options=OPTIONS, answer_index=1)
CAPTION = Annotation(id="c", caption="A cup on a table.")
TOKENS = tuple(f"w{i}" for i in range(40))
HISTORY = (Turn("is it a kitchen", "yes, it is"), Turn("who is there", "a man"))
ROUND = replace(
    ONE, caption="a man in a kitchen", history=HISTORY, options=(*map(str, range(99)), "a cup"),
    answer_index=99,
)  # fmt: skip
MEME = Annotation(id="m", context="look at them", label="hateful")

# What a dataset's annotations look like; a second one lacks what some of them lack.
DATASETS = {
    "coco_caption": ("captioning", [CAPTION]),
    "web_capfilt": ("captioning", [CAPTION]),
    "nocaps": ("captioning", [CAPTION]),
    "flickr30k": ("captioning", [CAPTION]),
    "textcaps": ("captioning_scene_text", [replace(CAPTION, ocr_tokens=TOKENS), CAPTION]),
    "gqa": ("visual_reasoning", [ONE]),
    "vsr": ("visual_reasoning", [Annotation(id="s", statement="The cup is on the table.", label="false")]),
    "iconqa": ("visual_reasoning", [CHOICE, replace(CHOICE, answers=ONE.answers)]),
    "vqav2": ("question_answering", [ASKED]),
    "vizwiz": ("question_answering", [replace(ASKED, label="answerable")]),
    "okvqa": ("knowledge_question_answering", [ASKED]),
    "aokvqa": ("knowledge_question_answering", [replace(CHOICE, answers=ANSWERS), replace(ASKED, options=())]),
    "scienceqa": ("knowledge_question_answering", [replace(CHOICE, context="Look at it."), CHOICE]),
    "ocrvqa": ("question_answering_scene_text", [ONE]),
    "textvqa": ("question_answering_scene_text", [replace(ASKED, ocr_tokens=TOKENS), ASKED]),
    "vqav2_qg": ("question_generation", [ASKED]),
    "okvqa_qg": ("question_generation", [ASKED]),
    "aokvqa_qg": ("question_generation", [replace(CHOICE, answers=ANSWERS)]),
    "msvd_qa": ("video_question_answering", [ONE]),
    "msrvtt_qa": ("video_question_answering", [ONE]),
    "ivqa": ("video_question_answering", [ASKED]),
    "visdial": ("visual_dialogue", [ROUND, replace(ROUND, history=())]),
    "hateful_memes": ("classification", [MEME, replace(MEME, label="not hateful")]),
    "llava_conversation": ("llava", [replace(ONE, history=HISTORY), ONE]),
    "llava_detail": ("llava", [ONE]),
    "llava_reasoning": ("llava", [ONE]),
}
CASES = [(name, annotation) for name, (_, annotations) in DATASETS.items() for annotation in annotations]


def card_of(name):
    """The card of a dataset; a stand-in with its name, task and role where none is there."""
    if name in card_names():
        return load_card(name)
    role = "held-out" if name in PAPER_HELD_OUT else "held-in"
    return replace(load_card("vqav2"), name=name, task=DATASETS[name][0], role=role)


def prompt(name, **fields):
    """Instruction and target of a dataset's zero-shot prompt."""
    card = card_of(name)
    rendered = Renderer().render(card, Annotation(id="1", **fields), 0, template=Renderer().zero_shot(card))
    return rendered.instruction, rendered.target


def test_the_cards_say_the_same_tasks():
    assert len(DATASETS) == 26
    assert {task for task, _ in DATASETS.values()} == set(TASKS)
    for name in set(card_names()) & set(DATASETS):
        assert load_card(name).task == DATASETS[name][0]


@pytest.mark.parametrize(("name", "annotation"), CASES)
def test_every_template_renders_clean(name, annotation):
    found = Renderer().render_all(card_of(name), annotation, 0)
    names = {r.template for r in found}
    assert len(names) >= (1 if DATASETS[name][0] == "llava" else 3)
    assert (name in names) == (name in PAPER_HELD_OUT)
    for rendered in found:
        for part in (rendered.instruction, rendered.target):
            assert part
            assert part == part.strip()
            assert not re.search(r"[{}]| $|^ |\n\n", part, re.MULTILINE), part
            # One doubled blank is the protocol's own: the empty slot of a question without a hint.
            assert "  " not in part or part.startswith("Context:  Question:")
        assert ("\n" in rendered.instruction) <= (DATASETS[name][0] in ("visual_dialogue", "llava"))


@pytest.mark.parametrize(("name", "annotation"), CASES)
def test_every_template_shows_what_it_asks_for(name, annotation):
    card = card_of(name)
    given = {
        "question": annotation.question, "statement": annotation.statement, "context": annotation.context,
        "caption": annotation.caption, "ocr_text": ", ".join(TOKENS[:30]) if annotation.ocr_tokens else None,
        "history_text": "\n".join(f"Question: {t.question} Answer: {t.answer}" for t in annotation.history),
        "options_text": "(a) a plate (b) a cup (c) a plate" if annotation.options == OPTIONS else None,
    }  # fmt: skip
    templates = {t.name: t for t in PACKAGED.load(card.task)}
    for rendered in Renderer().render_all(card, annotation, 0):
        template = templates[rendered.template]
        for field, text in given.items():
            if text and text != rendered.target:
                assert (text in rendered.instruction) == (field in template.fields), (rendered, field)
        shown = marked(Renderer(), card, annotation, rendered)
        assert shown.replace(MARK_START, "").replace(MARK_END, "") == rendered.instruction
        if template.fields - {"answer"} & {field for field, text in given.items() if text}:
            assert MARK_START in shown


@pytest.mark.parametrize("task", TASKS)
def test_every_template_serves_a_dataset_of_its_task(task):
    served = set()
    for name, (of, annotations) in DATASETS.items():
        if of == task:
            served |= {r.template for a in annotations for r in Renderer().render_all(card_of(name), a, 0)}
    assert served == {t.name for t in PACKAGED.load(task)}


def test_targets_are_those_of_the_dataset():
    targets = {
        (name, rendered.target)
        for name, annotation in CASES
        for rendered in Renderer().render_all(card_of(name), annotation, 0)
        if name in ("gqa", "vsr", "iconqa", "scienceqa", "visdial", "llava_detail", "textcaps", "hateful_memes")
    }
    assert targets == {
        ("gqa", "a cup"), ("vsr", "false"), ("iconqa", "a cup"), ("scienceqa", "a cup"), ("visdial", "a cup"),
        ("llava_detail", "a cup"), ("textcaps", "A cup on a table."), ("hateful_memes", "hateful"),
        ("hateful_memes", "not hateful"), ("hateful_memes", "yes"), ("hateful_memes", "no"),
    }  # fmt: skip


def test_options_are_shown_wherever_there_are_any():
    shown = [r.instruction for r in Renderer().render_all(card_of("iconqa"), CHOICE, 0)]
    assert len(shown) == 5
    assert all("(a) a plate (b) a cup (c) a plate" in text for text in shown)


# Texts that neither Jinja, nor `format`, nor a pattern may touch.
ODD = 'Who\'s "{0}" & {{ 7*7 }}, 100 %s <b>\\n</b>\u05d0?'


@pytest.mark.parametrize("name", ["gqa", "vizwiz", "ivqa", "msvd_qa", "msrvtt_qa"])
def test_the_prompt_of_question_answering(name):
    found = prompt(name, question=ODD, answers=(Answer("{% x %}", 2),))
    assert found == ("Question: " + ODD + " Short answer:", "{% x %}")


@pytest.mark.parametrize("name", ["nocaps", "flickr30k"])
def test_the_prompt_of_captioning(name):
    assert prompt(name, caption=ODD) == ("A short image description:", ODD)


def test_the_prompt_of_textvqa():
    answers = (Answer("STOP", 10),)
    tokens = ("STOP,", "50%", "{x}", "a b")
    found = prompt("textvqa", question=ODD, answers=answers, ocr_tokens=tokens)
    assert found[0] == "OCR tokens: STOP,, 50%, {x}, a b. Question: " + ODD + " Short answer:"
    thirty = ", ".join(f"w{i}" for i in range(30))
    for count in (30, 31, 40):
        found = prompt("textvqa", question="What?", answers=answers, ocr_tokens=tuple(f"w{i}" for i in range(count)))
        assert found[0] == f"OCR tokens: {thirty}. Question: What? Short answer:"
    assert prompt("textvqa", question="What?", answers=answers)[0] == "OCR tokens: . Question: What? Short answer:"


def test_the_prompt_of_iconqa():
    found = prompt("iconqa", question=ODD, options=("blue", "{{ yellow }}", "pink"), answer_index=2)
    assert found == ("Question: " + ODD + " Options: (a) blue (b) {{ yellow }} (c) pink. Short answer:", "pink")


def test_the_prompt_of_scienceqa():
    fields = {"question": ODD, "options": ("blue", "yellow"), "answer_index": 0}
    asked = "Question: " + ODD + " Options: (a) blue (b) yellow. Answer:"
    assert prompt("scienceqa", context="Read {this}\nand that.", **fields) == (
        "Context: Read {this}\nand that. " + asked,
        "blue",
    )
    assert prompt("scienceqa", **fields) == ("Context:  " + asked, "blue")


@pytest.mark.parametrize(("label", "target"), [("hateful", "yes"), ("not hateful", "no")])
def test_the_prompt_of_hateful_memes(label, target):
    found = prompt("hateful_memes", context=ODD, label=label)
    assert found == ('This is an image with: "' + ODD + '" written on it. Is it hateful? Answer:', target)


def test_a_label_of_no_class_has_no_target():
    with pytest.raises(DataError, match="annotation 1: template 'hateful_memes' renders an empty target"):
        prompt("hateful_memes", context="x", label="funny")


def test_the_prompt_of_vsr():
    found = prompt("vsr", statement=ODD, label="true")
    assert found == ('Based on the image, is this statement true or false? "' + ODD + '" Answer:', "true")


def test_the_prompt_of_visual_dialogue():
    fields = {"question": ODD, "answers": (Answer("yes {} it is", 1),), "caption": "never shown"}
    asked = "Question: " + ODD + " Short answer:"
    history = (Turn("is {it} red", "yes {0}"), Turn("who is there", "a man"))
    assert prompt("visdial", history=history, **fields) == (
        "Dialog history: Question: is {it} red Answer: yes {0}\nQuestion: who is there Answer: a man\n" + asked,
        "yes {} it is",
    )
    assert prompt("visdial", **fields)[0] == asked


def test_datasets_without_a_prompt():
    assert all(Renderer().zero_shot(card_of(name)) is None for name in set(DATASETS) - set(PAPER_HELD_OUT))


def test_the_right_letter_where_a_template_asks_for_it(tmp_path):
    body = "target = '{{ answer_letter }}'\n[train]\na = '{{ question }} {{ options_text }} Letter:'\n"
    (tmp_path / "knowledge_question_answering.toml").write_text(body, encoding="utf-8")
    card = card_of("aokvqa")
    assert Renderer(Library(tmp_path)).render(card, replace(CHOICE, answer_index=2), 0).target == "c"
    with pytest.raises(DataError, match="no answer_letter"):
        Renderer(Library(tmp_path)).render(card, replace(CHOICE, answer_index=None), 0)
