"""Each rule of the lint on a small faulty folder, and no finding in what comes along."""

import textwrap
from dataclasses import replace

import pytest

from ib_data.cards import load_card
from ib_data.sample import Annotation, Answer, Turn
from ib_data.templates.library import Library
from ib_data.templates.lint.branches import untaken
from ib_data.templates.lint.examples import Examples, in_words
from ib_data.templates.lint.report import Finding, sorted_findings
from ib_data.templates.lint.rules import labels_named, leaks, literal, runs_of

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
    found = sorted_findings(Library(folder).file(task), known)
    assert all(str(f) == f"{path}:{f.line}: {f.rule}: {f.template}: {f.message}" for f in found)
    return [(f.line, f.rule, f.template, f.message) for f in found]


def test_a_finding_is_of_a_known_rule():
    with pytest.raises(ValueError, match="no rule: 'spelling'"):
        Finding("captioning.toml", 1, "spelling", "a", "a word")


def one(folder, body, task="question_answering", target="{{ answer }}"):
    """The place and rule of the only finding, and its message."""
    ((line, rule, template, message),) = findings(folder, body, task, target)
    return (line, rule, template), message


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
        one = '''{% if ocr_text %}Words: {{ ocr_text }}{% else %}No words.{% endif %}
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
        a = '{{ question }} In short{% if ocr_text %}, of {{ ocr_text }} alone{% endif %}:'
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


def test_what_leaks_does_not_depend_on_the_order_of_fields(tmp_path):
    path = tmp_path / "captioning.toml"
    path.write_text("target = '{{ caption }}'\n[train]\na = '{{ question }} or {{ statement }}'\n", encoding="utf-8")
    (template,) = Library(tmp_path).load("captioning")
    parts = Annotation(id="1", caption="red cup", question="A red", statement="cup of tea")  # side by side: the target
    for annotation, leaking in ((parts, False), (replace(parts, statement="A red cup."), True)):
        (run,) = runs_of(template, [Examples(load_card("coco_caption"), 1, (annotation,))])
        for names in (sorted(run.values), sorted(run.values, reverse=True)):
            ordered = replace(run, values={name: run.values[name] for name in names})
            assert bool(list(leaks(template, [ordered]))) == leaking


def test_options_without_the_target(tmp_path):
    body = """\
        a = 'In brief: {{ question }}'
        b = 'Choose from {{ options_text }} only. {{ question }}'
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


@pytest.mark.parametrize(
    ("text", "rule", "message"),
    [
        (
            "Nothing is asked in this text",
            "ask",
            "does not show the question (vqav2, annotation q1); put {{ question }}",
        ),
        ("In short{% if question %}:{% endif %}", "ask", "does not show the question"),
        (r"{{ question }}\nIn short:", "leftover", "'\\\\' is left in "),
        ("{{ question }} [question]", "leftover", "'[question]' is left in "),
        ("{{ question }} <Question>", "leftover", "'<Question>' is left in "),
        ("{{ question }} $question", "leftover", "'$question' is left in "),
        ("{{ question }} In short :", "blank", "a blank before a punctuation mark"),
        ("{{ question }} ; in short", "blank", "a blank before a punctuation mark"),
        ("{{ question }}\tIn short", "blank", "a tab or another blank that is no space"),
        ("{{ question }}\u00a0In short", "blank", "a tab or another blank that is no space"),
        ('{{ question == "x" }} {{ question }}', "unusable", "a template may not show a comparison"),
        (
            '{% if answer_letter == "a" %}In short:{% endif %} {{ question }}',
            "unusable",
            "the instruction shows the target",
        ),
    ],
)
def test_a_trap_of_wording_is_found(tmp_path, text, rule, message):
    (found,) = [f for f in findings(tmp_path, f"a = '{text}'\n") if f[1] != "unused-field"]
    assert found[:3] == (3, rule, "a")
    assert found[3].startswith(message)


def test_what_looks_like_a_trap_and_is_none(tmp_path):
    assert findings(tmp_path, "a = 'It costs $5 [no joke], <3: {{ question }}'\n") == []
    assert findings(tmp_path, 'a = "{{ question }}\\nIn short:"\n') == []


def test_each_task_asks_with_the_field_that_its_annotations_have(tmp_path):
    assert findings(tmp_path, "a = 'Well said:'\n", "captioning", "{{ caption }}") == [
        (1, "unused-field", "train", "coco_caption has context, and no training template shows it; "
         "show it, or list it under `unused`"),
    ]  # fmt: skip
    found = findings(tmp_path, "a = 'Is it hateful or not hateful?'\n", "classification", "{{ label }}")
    assert [f[:3] for f in found] == [(1, "unused-field", "train"), (3, "ask", "a")]
    assert found[1][3].startswith("does not show the context (hateful_memes")
    given = {"question_generation": [("vqav2_qg", [ASKED])]}
    found = findings(tmp_path, "a = 'Ask something.'\n", "question_generation", "{{ question }}", given)
    assert [f[:3] for f in found] == [(1, "unused-field", "train"), (3, "ask", "a")]
    assert found[1][3].startswith("does not show the answer (vqav2_qg")


def test_a_file_without_training_templates_is_a_finding(tmp_path):
    (tmp_path / "question_answering.toml").write_text("target = '{{ answer }}'\n", encoding="utf-8")
    (found,) = sorted_findings(Library(tmp_path).file("question_answering"), [])
    assert (found.line, found.rule, found.template) == (1, "count", "train")
    assert found.message == "no training template, so that no run can use the task; add one under [train]"
    assert Library(tmp_path).load("question_answering") == ()


def test_the_same_words_in_another_order_are_near_repeats(tmp_path):
    body = "a = 'Please answer briefly, {{ question }}'\nb = '{{ question }} Briefly answer, please'\n"
    place, message = one(tmp_path, body)
    assert place == (4, "repeat", "b")
    assert message == "says the words of a (line 3) in another order; reword one"
