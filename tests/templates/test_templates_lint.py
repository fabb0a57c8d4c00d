"""Each rule of the lint on a small faulty folder, and no finding in what comes along."""

import json
import textwrap
from dataclasses import replace
from itertools import combinations

import pytest
from click.testing import CliRunner

from ib_data.cards import load_card
from ib_data.cli import VERBS, group
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.sample import Annotation, Answer, Turn
from ib_data.tasks import TASKS
from ib_data.templates import lint_examples, load_task
from ib_data.templates.library import load_file
from ib_data.templates.lint import RULES, Report, likeness, lint, sorted_findings
from ib_data.templates.lint_branches import untaken
from ib_data.templates.lint_examples import Examples, examples, in_words
from ib_data.templates.lint_rules import NEAR, labels_named, literal, tokens
from ib_data.verbs.templates import SUBCOMMANDS

RED = (Answer("red", 1),)
ASKED = Annotation(id="q1", question="What  colour , {{ x }}?", answers=RED)
CHOICE = Annotation(id="c1", question="Which?", options=("red", "blue"), answer_index=0)
GIVEN = {
    "question_answering": [("vqav2", [ASKED])],
    "question_answering_scene_text": [("textvqa", [replace(ASKED, ocr_tokens=(".5", "%s")), ASKED])],
    "knowledge_question_answering": [("okvqa", [ASKED]), ("scienceqa", [CHOICE, replace(CHOICE, context="Red.")])],
    "classification": [
        (
            "hateful_memes",
            [Annotation(id=label, context="all of them", label=label) for label in ("hateful", "not hateful")],
        )
    ],
    "captioning": [("coco_caption", [Annotation(id="1", caption="A cup.", context="a cup. no more")])],
    "visual_dialogue": [("visdial", [replace(ASKED, history=(Turn("is it  red", "no ."),)), ASKED])],
}


def findings(folder, body, task="question_answering", target="{{ answer }}", given=GIVEN):
    """(line, rule, template, message) of a file that begins `target = ...` in line 1, `[train]` in line 2."""
    path = folder / f"{task}.toml"
    path.write_text(f"target = '{target}'\n[train]\n{textwrap.dedent(body)}", encoding="utf-8")
    known = [Examples(load_card(name), len(rows), tuple(rows)) for name, rows in given[task]]
    found = sorted_findings(load_file(task, folder), known)
    assert all(str(f) == f"{path}:{f.line}: {f.rule}: {f.template}: {f.message}" for f in found)
    assert {f.rule for f in found} <= set(RULES)
    return [(f.line, f.rule, f.template, f.message) for f in found]


def one(folder, body, task="question_answering", target="{{ answer }}"):
    """The place and rule of the only finding, and its message."""
    ((line, rule, template, message),) = findings(folder, body, task, target)
    return (line, rule, template), message


def test_what_comes_along_has_no_finding(home):
    report = lint((), home)
    assert [str(finding) for finding in report.findings] == []
    num_templates = sum(len(load_task(task)) for task in TASKS)
    assert (report.num_templates, report.num_tasks, report.num_datasets) == (num_templates, 11, 26)
    assert report.num_samples > 200
    assert not home.root.exists()


def test_texts_of_strangers_are_no_fault_of_a_template(tmp_path):
    assert findings(tmp_path, "a = 'In short: {{ question }}'\n") == []
    assert in_words(ASKED).question == "What colour x"
    assert in_words(replace(ASKED, ocr_tokens=("...", "a-b"))).ocr_tokens == ("word", "a b")


def test_all_that_reading_refuses_is_found_without_hiding_the_rest(tmp_path):
    body = """\
        one = 'Say: {{ qestion }}'
        two = '{{ question }} , in short'
        three = '{{ question.x }}'
        four = '{{ answer }}'
        """
    found = findings(tmp_path, body)
    assert [f[:3] for f in found] == [
        (3, "unusable", "one"), (4, "blank", "two"), (5, "unusable", "three"), (6, "unusable", "four"),
    ]  # fmt: skip
    assert found[0][3] == "unknown field 'qestion'; did you mean 'question'?"
    assert "an attribute" in found[2][3]
    assert "shows the target ['answer']" in found[3][3]


@pytest.mark.parametrize(
    ("content", "line", "template", "message"),
    [
        (b"target = '{{ answer }}'\n[train\n", 2, "file", "not TOML"),
        (b"target = '{{ answer }}'\n[trian]\n", 1, "file", "unknown key 'trian'; did you mean 'train'?"),
        (b"target = '{{ caption }}'\nunused = ['labels']\n", 2, "unused", "unknown field 'labels'"),
        (b"target = '{{ nope }}'\n", 1, "target", "unknown field 'nope'"),
        (b"\xff", 1, "file", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_finding(tmp_path, content, line, template, message):
    (tmp_path / "captioning.toml").write_bytes(content)
    (found,) = sorted_findings(load_file("captioning", tmp_path), [])
    assert (found.file, found.line, found.rule, found.template) == (
        str(tmp_path / "captioning.toml"), line, "unusable", template,
    )  # fmt: skip
    assert found.message.startswith(message)


def test_a_faulty_file_hides_no_other_task(tmp_path):
    (tmp_path / "llava.toml").write_text("target = '{{ answer }}\n", encoding="utf-8")
    (tmp_path / "classification.toml").write_text("target = '{{ lable }}'\n", encoding="utf-8")
    report = lint(["llava", "classification", "visual_dialogue"], Home(tmp_path / "home"), tmp_path)
    assert [(found.file, found.line) for found in report.findings] == [
        (str(tmp_path / "llava.toml"), 1), (str(tmp_path / "classification.toml"), 1),
    ]  # fmt: skip
    assert (report.num_tasks, report.num_templates) == (3, len(load_task("visual_dialogue")))


def test_a_field_that_is_never_shown(tmp_path):
    body = "a = 'In short{% if ocr_text %} (there are words){% endif %}: {{ question }}'\n"
    place, message = one(tmp_path, body, "question_answering_scene_text")
    assert place == (1, "unused-field", "train")
    assert message.startswith("textvqa has ocr_text, and no training template shows it")
    shown = "a = 'In short: {{ question }}'\nb = 'Of the words {{ ocr_text }}, which one answers {{ question }}'\n"
    assert findings(tmp_path, shown, "question_answering_scene_text") == []


def test_a_field_that_is_left_out_on_purpose(tmp_path):
    def found(*unused):
        target = f"{{{{ answer }}}}'\nunused = {list(unused)} # '"  # the helper closes this quote inside the remark
        body = "a = 'In short: {{ question }}'\n"
        return findings(tmp_path, body, "question_answering_scene_text", target)

    assert found("ocr_text") == []
    assert found("ocr_text", "question", "caption") == [
        (2, "unused-field", "unused", "question is shown; take it off the list"),
        (2, "unused-field", "unused", "caption is in no annotation of the task; take it off the list"),
    ]


def test_a_branch_that_no_annotation_takes(tmp_path):
    body = """\
        one = '''{% if ocr_text %}{{ ocr_text }}.{% else %}No words.{% endif %}
        {{ 'Never' if caption else 'Always' }} brief: {{ question }}'''
        """
    place, message = one(tmp_path, body, "question_answering_scene_text")
    assert place == (4, "unreached", "one")
    assert message == "no annotation takes a branch, the one for caption; delete it"


def test_branches_by_their_lines_and_names():
    text = "{% if a %}1{% elif b == 'x' %}2\n{% elif b == 'x' %}3{% else %}{{ 'y' if a|upper else 'n' }}{% endif %}"
    assert untaken(text, []) == [
        (1, "the one for a"), (1, "the `else` of a"), (1, "the one for b"), (2, "the one for b"),
        (2, "the one for a"), (2, "the `else` of a"),
    ]  # fmt: skip
    assert untaken(text, [{"a": "1", "b": ""}, {"a": "", "b": "x"}, {"a": "", "b": "y"}]) == [
        (2, "the one for b"),
        (2, "the one for a"),
    ]
    assert untaken("{% if a and b %}x{% endif %}", [{"a": "", "b": "1"}]) == [(1, "the one for a and b")]
    assert untaken("{{ a }}", []) == []


def test_a_branch_of_a_target_that_no_annotation_takes(tmp_path):
    target = '{% if label == "hateful" %}yes{% elif label == "odd" %}odd{% else %}no{% endif %}'
    body = "one = 'Hurtful? {{ context }}'\ntwo = 'Does \"{{ context }}\" demean somebody here?'\n"
    place, message = one(tmp_path, body, "classification", target)
    assert place == (1, "unreached", "target of one")
    assert "the one for label" in message


def test_a_template_that_no_annotation_fits(tmp_path):
    place, message = one(tmp_path, "a = 'In short: {{ question }}'\nb = 'Of {{ statement }} say less.'\n")
    assert place == (4, "unreached", "b")
    assert message == "no annotation fits it (it needs statement, and a target); delete it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("In  short: {{ question }}", "two blanks in a row in 'In  short: What col"),
        ("{{ question }} . In short:", "a blank before a punctuation mark in 'What colour x . In short:'"),
        ("Well {% if caption %}, {{ caption }}{% endif %}, {{ question }}", "a blank before a punctuation mark"),
        ("In short:\\n\\n{{ question }}", "a blank line"),
        ("In short: \\n{{ question }}", "a blank at the end of a line"),
    ],
)
def test_blanks_where_none_belong(tmp_path, text, message):
    found = findings(tmp_path, f'a = "{text}"\n')
    assert [f[:3] for f in found if f[1] == "blank"] == [(3, "blank", "a")]
    assert next(f[3] for f in found if f[1] == "blank").startswith(message)


def test_a_blank_that_shows_only_where_a_field_is_absent(tmp_path):
    body = "a = 'In short {% if history_text %}{{ history_text }}\\n{% endif %} {{ question }}'\n"
    found = findings(tmp_path, body.replace("'", '"'), "visual_dialogue")
    assert [f[:3] for f in found] == [(3, "blank", "a")]


def test_the_protocols_empty_slot_is_let_off(tmp_path):
    body = """\
        a = '{{ question }} In short{% if ocr_text %}, of {{ ocr_text }}{% endif %}:'
        [zero_shot]
        textvqa = 'OCR tokens: {{ ocr_text }}. Question: {{ question }} Short answer:'
        """
    assert findings(tmp_path, body, "question_answering_scene_text") == []
    body = body.replace("}}. Question", "}} . Question")
    place, _ = one(tmp_path, body, "question_answering_scene_text")
    assert place == (5, "blank", "textvqa")


@pytest.mark.parametrize("text", ["{ question } {{ question }}", "Say %(x)s: {{ question }}", "{{ question }}}"])
def test_leftover_braces(tmp_path, text):
    place, message = one(tmp_path, f"a = '{text}'\n")
    assert place == (3, "leftover", "a")
    assert "is left in" in message


def test_a_label_that_stands_alone(tmp_path):
    body = "a = 'Is \"{{ context }}\" hateful?'\nb = 'Hateful or not hateful: {{ context }}'\n"
    place, message = one(tmp_path, body, "classification", "{{ label }}")
    assert place == (3, "leak", "a")
    assert message == "names the label hateful and not not hateful; name all of them or none"
    assert labels_named("Not hateful?", {"hateful", "not hateful"}) == {"not hateful"}
    assert labels_named("falsehood", {"false", "true"}) == set()


def test_a_target_that_stands_in_another_field(tmp_path):
    given = {"captioning": [("coco_caption", [Annotation(id="1", caption="A cup", statement="This is a cup.")])]}
    body = "a = 'Caption of {{ statement }}'\n"
    ((line, rule, template, message),) = findings(tmp_path, body, "captioning", "{{ caption }}", given)
    assert (line, rule, template) == (3, "leak", "a")
    assert message == "its fields show the target in 1 of 1 annotations of coco_caption; leave one out"
    rows = [replace(given["captioning"][0][1][0], id=str(i), caption=c) for i, c in enumerate(("A cup", "A jar"))]
    half = {"captioning": [("coco_caption", rows)]}
    assert findings(tmp_path, body, "captioning", "{{ caption }}", half) == []


def test_options_without_the_target(tmp_path):
    body = """\
        a = 'In brief: {{ question }}'
        b = 'Choose from {{ options_text }}. {{ question }}'
        c = 'Pick one: {{ options_text }} {% if context %}Mind {{ context }} {% endif %}To the point: {{ question }}'
        [targets]
        b = 'it is {{ answer }}'
        """
    place, message = one(tmp_path, body, "knowledge_question_answering")
    assert place == (4, "options", "b")
    assert message.startswith("lists options without the target 'it is red' (scienceqa, annotation c1)")


def test_near_repeats_name_both_lines(tmp_path):
    body = "a = 'Look at the picture and answer: {{ question }}'\nb = 'Look at the image and answer: {{ question }}'\n"
    place, message = one(tmp_path, body)
    assert place == (4, "repeat", "b")
    assert message == "says 86% the same as a (line 3); reword one"


def test_the_threshold_of_repeats_keeps_its_distance_from_what_comes_along():
    train = [[t.text for t in load_task(task) if t.kind == "train"] for task in TASKS]
    nearest = max(likeness(*pair) for texts in train for pair in combinations(texts, 2))
    assert nearest < 0.6 < NEAR
    assert likeness("Answer briefly: {{ question }}", "{{ question }} Answer briefly.") > NEAR
    assert tokens("Say {% if context %}it, {% endif %}{{ question }}!") == ["say", "it", "{question}"]
    assert likeness("In {{ caption }}:", "In {{ question }}:") == 0.5


def test_a_template_that_talks_too_much(tmp_path):
    place, message = one(tmp_path, f"a = '{'Look. ' * 40}{{{{ question }}}}'\n")
    assert place == (3, "long", "a")
    assert message == "says 240 characters itself, more than 200; shorten it"
    assert literal("a{% if x == 'long' %}b{{ 'c' if y else 'd' }}{% endif %}") == "a b c d"


def test_what_cannot_be_rendered_for_every_annotation(tmp_path):
    body = "a = 'Meme: {{ context }}'\n"
    place, message = one(tmp_path, body, "classification", '{% if label == "hateful" %}yes{% endif %}')
    assert place == (3, "render", "a")
    assert "annotation not hateful: template 'a' renders an empty target" in message


def test_ten_to_fifteen_templates_come_along(tmp_path):
    file = load_file("captioning")
    few = replace(file, templates=file.templates[:9])
    (found,) = sorted_findings(few, [])[:1]
    assert (found.rule, found.line, found.template) == ("count", 1, "train")
    assert found.message == "9 training templates; a task has 10 to 15"
    assert not [f for f in sorted_findings(replace(few, packaged=False), []) if f.rule == "count"]
    assert not [f for f in sorted_findings(load_file("llava"), []) if f.rule == "count"]


def test_what_is_built_is_linted_too(build):
    hidden = Annotation(id="2", question="What?")
    home = build("okvqa", "train", [((replace(ASKED, label="odd"), hidden), None)])
    (found,) = lint(["knowledge_question_answering"], home).findings
    assert (found.rule, found.message.partition(",")[0]) == ("unused-field", "okvqa has label")
    (given,) = [e for e in examples(["knowledge_question_answering"], home) if e.card.name == "okvqa"]
    assert hidden in given.annotations


def test_a_dataset_without_a_miniature_is_linted_with_what_is_built(build, monkeypatch, capsys):
    def load(name):
        card = load_card(name)
        moved = tuple(replace(file, url="https://example.org/birds.json") for file in card.files)
        return replace(card, files=moved) if name == "okvqa" else card

    monkeypatch.setattr(lint_examples, "load_card", load)
    home = build("okvqa", "train", [((ASKED,), None)])
    (given,) = [e for e in examples(["knowledge_question_answering"], home) if e.card.name == "okvqa"]
    assert given.annotations == (ASKED,)
    assert capsys.readouterr().err.startswith("okvqa is linted without the miniature: okvqa: ")


def test_the_summary_counts():
    assert Report(1, 1, 2, 1).summary == "1 template of 1 task, 2 samples of 1 dataset: no findings"


def run(*arguments):
    return CliRunner().invoke(group, ["templates", *map(str, arguments)], catch_exceptions=False)


def test_the_verb_prints_findings_and_fails(tmp_path, cli):
    body = "target = '{{ caption }}'\n[train]\na = 'Well  said:'\n"
    (tmp_path / "captioning.toml").write_text(body, encoding="utf-8")
    result = cli("templates", "lint", "captioning", "--templates", tmp_path, "--home", tmp_path / "home")
    assert result.code == 1
    start = f"{tmp_path / 'captioning.toml'}:3: blank: a: two blanks in a row in 'Well  said:' (coco_caption"
    assert result.out.startswith(start)
    assert len(result.out.splitlines()) == 1
    assert result.err.startswith("ib-data: 1 template of 1 task, ")
    assert result.err.endswith(" of 4 datasets: 1 finding\n")
    result = cli("templates", "lint", "captioning", "--templates", tmp_path, "--json", "--home", tmp_path / "home")
    assert result.code == 1
    report = json.loads(result.out)
    assert report["num_templates"] == 1
    assert [(f["line"], f["rule"], f["template"]) for f in report["findings"]] == [(3, "blank", "a")]


def test_the_verb_is_content_with_what_comes_along(tmp_path, cli):
    result = cli("templates", "lint", "llava", "llava", "--home", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("1 template of 1 task, ")
    assert result.out.endswith(" of 3 datasets: no findings\n")


def test_an_unknown_task_names_the_nearest(tmp_path):
    with pytest.raises(IbDataError, match="unknown task 'captionning'; did you mean 'captioning'"):
        run("lint", "captionning")
    with pytest.raises(IbDataError, match="holds no template file"):
        run("lint", "--templates", tmp_path)


def test_subcommands_and_the_listing_live_side_by_side():
    for arguments in (["--help"], ["captioning", "--help"], ["-h"]):
        text = run(*arguments).stdout
        assert VERBS["templates"] in text
        assert "[OPTIONS] [TASK]" in text
        assert "--json" in text
        assert all(line in text for line in SUBCOMMANDS.values())
    assert run("captioning").stdout == run("list", "captioning").stdout
    assert run("--jsn").exit_code == run("lint", "--jsn").exit_code == 2


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_a_subcommand_has_its_line_and_an_example(name):
    text = run(name, "--help").stdout
    assert text.split("\n\n")[1].split("\n")[0].strip() == SUBCOMMANDS[name]
    assert f"ib-data templates {name}" in text.split("\n\n", 2)[2]
    assert "--home" in text
