"""Splits whose answers are hidden give their instructions, and a marked empty target; training refuses them.

Each is built from a small file in the official form of that split.
"""

import json

import pytest

from ib_data.builders.source.official_files import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build import build_split
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import card_names, load_card
from ib_data.errors import DataError, IbDataError
from ib_data.home import Home
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.stream.stream import open_stream
from ib_data.sample import Annotation, Answer, Turn
from ib_data.templates.render_errors import HiddenTargetError
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.renderer import Renderer
from ib_data.templates.sheet.preview import HIDDEN, preview

ASKED = "Question: is it red Short answer:"
QUESTION = {"question": "is it red", "question_id": 7}
DIALOG = {
    "image_id": 9,
    "caption": "a cup",
    "dialog": [{"question": 0, "answer": 1}, {"question": 1, "answer_options": list(range(100))}],
}
TABLES = {
    "questions": ["is it big", "is it red"],
    "answers": ["yes", "no", *(f"answer {i}" for i in range(98))],
    "dialogs": [DIALOG],
}
TEXTVQA = {"data": [{**QUESTION, "image_id": "00a1b2c3d4e5f607", "set_name": "test"}]}
TOKENS = {"data": [{"image_id": "00a1b2c3d4e5f607", "ocr_tokens": ["STOP"], "ocr_info": []}]}
# The files of a split, and the instruction that its annotation gets; None where a training template is drawn.
SPLITS = {
    "vizwiz": ({"test.json": [{"image": "VizWiz_test_00000000.jpg", "question": "is it red"}]}, ASKED),
    "aokvqa": (
        {"aokvqa_v1p0_test.json": [{**QUESTION, "question_id": "q", "image_id": 9, "choices": ["yes", "no"]}]},
        None,
    ),
    "visdial": (
        {"visdial_1.0_test.json": {"version": "1.0", "split": "test2018", "data": TABLES}},
        f"Dialog history: Question: is it big Answer: no\n{ASKED}",
    ),
    "vqav2": (
        {
            "v2_OpenEnded_mscoco_test2015_questions.json": {
                "questions": [{**QUESTION, "image_id": 9, "question_id": 9007}],
                "data_subtype": "test2015",
            }
        },
        None,
    ),
    "textvqa": (
        {"TextVQA_0.5.1_test.json": TEXTVQA, "TextVQA_Rosetta_OCR_v0.2_test.json": TOKENS},
        f"OCR tokens: STOP. {ASKED}",
    ),
    "hateful_memes": (
        {"data/test_seen.jsonl": {"id": "00127", "img": "img/00127.png", "text": "is it red"}},
        'This is an image with: "is it red" written on it. Is it hateful? Answer:',
    ),
}


@pytest.fixture(scope="module", params=SPLITS)
def hidden(request, tmp_path_factory):
    """The name of a dataset whose test split is built without answers, its instruction, and the home."""
    name, home, source = request.param, Home(tmp_path_factory.mktemp("home")), tmp_path_factory.mktemp("source")
    files, instruction = SPLITS[name]
    for file, value in files.items():
        path = source / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    fetcher = Fetcher(downloads=home.downloads)
    job = Build(home=home, fetcher=fetcher, folders=SourceFolders((source,)), options=Options(media=False))
    build_split(load_card(name), "test", None, job)
    return name, instruction, home


def test_a_hidden_split_is_rendered_and_shown(hidden, cli, tmp_path):
    name, instruction, home = hidden
    arguments = (name, "--split", "test", "--home", home.root)
    rendered = cli("render", *arguments, "--json")
    assert rendered.code == 0, rendered.err
    (row,) = json.loads(rendered.out)
    assert (row["target"], row["hidden"]) == (None, True)
    assert "is it red" in row["instruction"]
    assert instruction in (None, row["instruction"])
    for verb in ("render", "show"):
        lines = cli(verb, *arguments).out.splitlines()
        assert lines[-1].strip() == f"-> {HIDDEN}"
        page = tmp_path / "page.html"
        assert cli(verb, *arguments, "--html", page).code == 0
        assert f'<p class="target hidden">{HIDDEN}</p>' in page.read_text()
        assert "is it red" in page.read_text()
        assert 'class="problem"' not in page.read_text()
    every = json.loads(cli("render", *arguments, "--all-templates", "--json").out)
    assert len(every) > 10
    assert all(row["hidden"] for row in every)


def test_the_template_is_the_one_that_a_known_answer_would_get():
    card = load_card("aokvqa")
    open_one = Annotation(id="1", question="What?", options=("u", "v"))
    known = Annotation(id="1", question="What?", options=("u", "v"), answer_index=1, answers=(Answer("w", 1),))
    for position in range(40):
        asked, told = (Renderer(seed=3).render(card, a, position, may_hide=True) for a in (open_one, known))
        assert (asked.instruction, asked.target) == (told.instruction, None)
        assert told.target in ("v", "w")
        assert not told.hidden
    assert len(Renderer().render_all(card, open_one, 0, may_hide=True)) == 14  # one asks for a hint


def test_a_hidden_answer_is_an_error_where_it_is_to_be_learnt():
    card, annotation = load_card("vizwiz"), Annotation(id="5", question="What?")
    with pytest.raises(HiddenTargetError, match="a split with hidden answers cannot be trained on"):
        Renderer().render(card, annotation, 0)
    blank = Annotation(id="5", context="hint")
    with pytest.raises(DataError, match="no question, answer to render") as caught:
        Renderer().render(card, blank, 0, may_hide=True)
    assert not isinstance(caught.value, HiddenTargetError)


def test_a_chat_keeps_its_turns_and_ends_in_the_question():
    annotation = Annotation(id="1", question="Is it red?", history=(Turn("What?", "A cup."),))
    chat = RenderOptions(turns="chat")
    template = Renderer().templates("visual_dialogue")[0]
    rendered = Renderer(options=chat).render(load_card("visdial"), annotation, 0, template=template, may_hide=True)
    assert rendered.segments[:2] == (("What?", False), ("A cup.", True))
    assert [is_learnt for _, is_learnt in rendered.segments] == [False, True, False]


def test_the_card_says_which_splits_hide_their_answers():
    found = {
        (name, split)
        for name in card_names()
        for split in load_card(name).splits
        if Renderer().hides_targets(load_card(name), split)
    }
    assert found == {(name, "test") for name in SPLITS}


def test_an_answer_that_is_missing_elsewhere_is_no_hidden_one(build):
    home = build("vqav2", "train", [((Annotation(id="7", question="What?"),), None)])
    ((example,),) = (entry.examples for entry in preview(home, load_card("vqav2"), Renderer(), n=1))
    assert example.rendered is None
    assert "no answer to render" in example.problem


def test_training_refuses_a_hidden_split_and_a_pass_over_it_gives_the_instructions(hidden, tmp_path):
    name, _, home = hidden
    spec = tmp_path / "mine.toml"
    spec.write_text(f'rule = "uniform"\n[[members]]\ndataset = "{name}"\nsplit = "test"\nsize = 1\n')
    stream = open_stream(home, load_mixture(spec))
    with pytest.raises(IbDataError) as caught:
        stream.batch(0, 4)
    line = str(caught.value)
    assert line.startswith(f"{name}: split 'test' hides its answers and cannot be trained on")
    assert "\n" not in line
    (example,) = stream.read_pass()
    assert (example.rendered.target, example.rendered.hidden) == (None, True)
    assert "is it red" in example.rendered.instruction
