"""No mark is doubled after a value, no sentence is left open that its target does not continue; the lint finds both."""

import re
from dataclasses import replace

import pytest
from test_templates_lint import findings, one

from ib_data.builders.source.official_files import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build import build_split
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import card_names, load_card
from ib_data.sample import Annotation, Answer, Turn
from ib_data.templates.library import PACKAGED
from ib_data.templates.lint.examples import in_words
from ib_data.templates.lint.report import lint
from ib_data.templates.renderer import Renderer

DOUBLED = re.compile(r"[.?!][.?!:;]")
SCENE_TEXT = "question_answering_scene_text"
COCO = {"captioning": [("coco_caption", [Annotation(id="1", caption="A cup.")])]}
ASKED = [("vqav2", [Annotation(id="q1", question="Is it red?", answers=(Answer("no", 1),))])]


def full(end):
    """An annotation with every field, each of which ends in `end`."""
    return Annotation(
        id="1",
        question=f"What is it{end}",
        answers=(Answer(f"11 a.m{end}", 1),),
        caption=f"A cup{end}",
        options=(f"11 p.m{end}", f"11 a.m{end}"),
        answer_index=1,
        context=f"It is early{end}",
        ocr_tokens=("STOP", f"St{end}"),
        history=(Turn(f"Who is it{end}", f"Ann{end}"),),
        statement=f"It is late{end}",
        label="hateful",
    )


@pytest.mark.parametrize("end", [".", "?", "!"])
@pytest.mark.parametrize("name", card_names())
def test_no_template_doubles_the_mark_of_a_value(name, end):
    card = load_card(name)
    rendered = Renderer().render_all(card, full(end), 0)
    assert {r.template for r in rendered} >= {template.name for template in Renderer().templates(card.task)}
    for one_of_them in rendered:
        if one_of_them.template != card.name:  # a zero-shot prompt is the paper's to the character
            assert not DOUBLED.search(one_of_them.instruction), one_of_them.template


def test_the_zero_shot_prompt_keeps_its_stop():
    card, problem = load_card("iconqa"), replace(full("."), label=None)
    prompt = Renderer().render_all(card, problem, 0)[-1]
    assert prompt.template == Renderer().zero_shot(card).name
    assert prompt.instruction.endswith("Options: (a) 11 p.m. (b) 11 a.m.. Short answer:")
    assert prompt.target == "11 a.m."


@pytest.mark.parametrize("mark", [".", ":", ";", "?", "!"])
def test_the_lint_finds_a_mark_after_a_value(tmp_path, mark):
    body = f"a = 'Briefly: {{{{ question }}}}{{% if ocr_text %}} Words: {{{{ ocr_text }}}}{mark}{{% endif %}}'\n"
    place, message = one(tmp_path, body, SCENE_TEXT)
    assert place == (3, "doubled", "a")
    assert message.startswith("doubles the mark of a value that ends in a full stop, ")
    assert f".{mark}' (textvqa, annotation q1); end the line there" in message


@pytest.mark.parametrize("rest", ["\\n", " in all", ", then"])
def test_a_line_that_ends_or_goes_on_is_no_finding(tmp_path, rest):
    body = f'a = "{{% if ocr_text %}}Words: {{{{ ocr_text }}}}{rest}{{% endif %}} briefly: {{{{ question }}}}"\n'
    assert [f for f in findings(tmp_path, body, SCENE_TEXT) if f[1] == "doubled"] == []


@pytest.mark.parametrize("text", ["This is a photograph of", "In this image, one can see", "Seen here,"])
def test_the_lint_finds_a_caption_that_begins_anew(tmp_path, text):
    def found(text, target="{{ caption }}"):
        return findings(tmp_path, f"a = '{text}'\n", "captioning", target, COCO)

    (finding,) = found(text)
    assert finding[:3] == (3, "completion", "a")
    assert finding[3] == (
        "leaves a sentence open, and 1 of 1 targets of coco_caption begin a new sentence: 'A cup.' "
        "(coco_caption, annotation 1); close it with a colon or a full stop"
    )
    assert found(f"{text} this:") == found(f"{text} what? Say it.") == found(text, "{{ caption|lower }}") == []


def test_an_abbreviation_and_a_name_may_follow_an_open_sentence(tmp_path):
    given = {"captioning": [("coco_caption", [Annotation(id=str(i), caption=text) for i, text in enumerate(CAPTIONS)])]}
    assert findings(tmp_path, "a = 'This is a photograph of'\n", "captioning", "{{ caption }}", given) == []


CAPTIONS = ["a cup", "TV sets", "two cups", "Ann with a cup"]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("{{ question }} In short, it is", False),
        ("{{ question }} One can see", False),
        ("{{ question }} The short answer is", True),
        ("To the question {{ question }} a brief reply would be", True),
        ("{{ question }} In short:", True),
        ("In short: {{ question }}", True),
    ],
)
def test_the_lint_finds_what_yes_and_no_do_not_complete(tmp_path, text, fits):
    found = findings(tmp_path, f"a = '{text}'\n", given={"question_answering": ASKED})
    assert [f[1] for f in found] == ([] if fits else ["completion"])
    if not fits:
        assert "before 'no' (vqav2, annotation q1); name what follows (the answer is), or close the" in found[0][3]


def test_values_end_in_a_stop_where_they_are_told_to():
    stopped = in_words(full("!"), end=".")
    assert (stopped.question, stopped.caption) == ("What is it.", "A cup.")
    assert stopped.options == ("11 p m.", "11 a m.")
    assert stopped.ocr_tokens == ("STOP", "St.")
    assert (stopped.label, stopped.history) == ("hateful", (Turn("Who is it.", "Ann."),))
    assert len(in_words(Annotation(id="1", ocr_tokens=("a",) * 40), end=".").ocr_tokens) == 30


OFFICIAL = [
    ("aokvqa", "validation", "aokvqa"),
    ("coco_caption", "validation", "coco_caption/reassembled"),
    ("gqa", "test", "gqa"),
    ("iconqa", "test", "iconqa"),
    ("scienceqa", "test", "scienceqa"),
    ("textvqa", "validation", "textvqa/reassembled"),
    ("visdial", "validation", "visdial"),
    ("vizwiz", "validation", "vizwiz"),
    ("vsr", "test", "vsr"),
]


@pytest.mark.real
def test_official_rows_have_no_findings(real, home):
    """Their first samples, as `ib-data templates lint` reads what is built."""
    fetcher = Fetcher(downloads=home.downloads)
    for name, split, source in OFFICIAL:
        card, folders = load_card(name), SourceFolders((real / source,))
        job = Build(home=home, fetcher=fetcher, folders=folders, options=Options(media=False))
        build_split(card, split, card.forms[0] if card.forms else None, job)
    report = lint([], home, PACKAGED)
    assert report.num_samples > 254 + 300
    assert [str(finding) for finding in report.findings] == []
