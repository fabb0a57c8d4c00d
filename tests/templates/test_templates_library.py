"""How a user's template file is read, and what a faulty one is answered with."""

import textwrap
from dataclasses import replace

import pytest

from ib_data.cards import card_names, load_card
from ib_data.errors import DataError, IbDataError
from ib_data.sample import Annotation, Answer
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.renderer import Renderer
from ib_data.templates.template_file import PAPER_HELD_OUT

ASKED = Annotation(id="q1", question="What is on the table?", answers=(Answer("cup", 1),))


def write(folder, text, task="question_answering"):
    path = folder / f"{task}.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def fault(folder, text, task="question_answering"):
    write(folder, text, task)
    with pytest.raises(DataError) as caught:
        Library(folder).load(task)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown_field_names_the_nearest_the_file_and_the_line(tmp_path):
    text = """\
        target = '{{ answer }}'
        [train]
        good = '{{ question }}'
        bad = 'Say: {{ qestion }}'
        """
    message = fault(tmp_path, text)
    assert "question_answering.toml" in message
    assert "line 4, template 'bad'" in message
    assert "unknown field 'qestion'; did you mean 'question'?" in message


def test_an_unknown_field_in_a_branch_not_taken_is_found(tmp_path):
    text = "target = '{{ answer }}'\n[train]\na = '{% if question %}x{% else %}{{ nope }}{% endif %}'\n"
    assert "unknown field 'nope'" in fault(tmp_path, text)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{{ question", "unexpected end of template"),
        ("{% if question %}x", "line 3, template 'a'"),
        ("{{ question.__class__ }}", "may not use an attribute"),
        ('{{ question["__class__"] }}', "may not use an item"),
        ("{{ question.upper() }}", "may not use a call"),
        ('{{ question|attr("__class__") }}', "no filter 'attr'"),
        ("{{ question|random }}", "no filter 'random'"),
        ("{{ self }}", "unknown field 'self'"),
        ("{{ lipsum }}", "unknown field 'lipsum'"),
        ('{% include "x" %}', "include"),
        ("{{ question|truncate(question) }}", "cannot be rendered"),
        ("{{ question }} {{ answer }}", "shows the target"),
        ("{{ question }} ", "without blanks"),
        ("", "without blanks"),
    ],
)
def test_an_unusable_text_is_refused_by_name(tmp_path, body, expected):
    message = fault(tmp_path, f"target = '{{{{ answer }}}}'\n[train]\na = '{body}'\n")
    assert expected in message
    assert "template 'a'" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target = '{{ answer }}'\n[trian]\na = 'x'\n", "unknown key 'trian'; did you mean 'train'?"),
        ("target = '{{ answer }}'\n[zero_shot]\nvqav = 'x'\n", "unknown key 'vqav'; did you mean 'vqav2'?"),
        ("[train]\na = 'x'\n", "'target' is missing"),
        ("target = '{{ anwser }}'\n", "line 1, target: unknown field 'anwser'"),
        ("target = '{{ answer }}'\n[train]\na = 3\n", "expected a text"),
        ("target = '{{ answer }}'\n[train]\na = 'x'\nb = 'x'\n", "'a' and 'b' have the same text"),
        ("target = '{{ answer }}'\n[train]\nvsr = 'x'\n[zero_shot]\nvsr = 'y'\n", "both [train] and [zero_shot]"),
        ("target = '{{ answer }}\n", "not TOML"),
        ("target = []\n", "'target' is an empty list"),
        ("target = ['{{ answer }}', 3]\n", "expected a list of texts"),
        ("target = ['{{ label }}', '{{ answr }}']\n", "line 1, target: unknown field 'answr'"),
        ("target = ['{{ label }}', '{{ answer }}']\n[train]\na = '{{ answer }}?'\n", "shows the target ['answer']"),
        ("target = '{{ answer }}'\n[train]\na = 'x'\n[targets]\nlook = 'y'\n", "targets: unknown key 'look'; known: a"),
        ("target = '{{ answer }}'\n[train]\na = 'x'\n[targets]\na = '{{ lbl }}'\n", "line 5, target of 'a': unknown"),
        ("target = '{{ answer }}'\n[train]\na = 'x'\n[targets]\na = 3\n", "'a': expected a text"),
        ("target = '{{ answer }}'\nunused = ['labl']\n", "line 2, unused: unknown field 'labl'; did you mean 'label'?"),
        ("target = '{{ answer }}'\nunused = 'label'\n", "'unused': expected a list"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path, text, expected):
    assert expected in fault(tmp_path, text)


def test_all_faults_of_a_file_are_told_and_the_rest_can_be_looked_at(tmp_path):
    path = write(
        tmp_path,
        """\
        target = '{{ answer }}'
        [train]
        one = 'Say: {{ qestion }}'
        two = 'In short: {{ question }}'
        three = '{{ question }}{% if question %}'
        four = 'In short: {{ question }}'
        """,
    )
    found = Library(tmp_path).file("question_answering")
    assert (found.file, found.packaged) == (str(path), False)
    assert [(fault.line, fault.name) for fault in found.faults] == [(3, "one"), (5, "three"), (6, "four")]
    assert found.faults[0].problem == "unknown field 'qestion'; did you mean 'question'?"
    assert [template.name for template in found.templates] == ["two", "four"]
    with pytest.raises(DataError, match="line 3, template 'one'"):
        Library(tmp_path).load("question_answering")


def test_the_line_is_that_of_the_section_in_any_order(tmp_path):
    text = """\
        target = '{{ answer }}'
        [targets]
        one = '{{ caption }}'
        [zero_shot]
        vsr = '{{ question }}'
        [train]
        target = 'In short: {{ question }}'
        one = 'Tell me: {{ question }}'
        """
    write(tmp_path, text)
    found = Library(tmp_path).file("question_answering")
    assert (found.line_of("target"), found.line_of("target", "train"), found.line_of("one", "train")) == (1, 7, 8)
    assert (found.line_of_target("one"), found.line_of_target("vsr"), found.line_of("none", "train")) == (3, 1, 1)


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "captioning.toml").write_bytes(b"target = '\xff'")
    with pytest.raises(DataError, match="not UTF-8"):
        Library(tmp_path).load("captioning")


def test_own_folder_takes_the_place_of_one_task_only(tmp_path):
    write(tmp_path, "target = '{{ answer }}'\n[train]\nmine = 'Mine: {{ question|upper }}'\n")
    assert [t.name for t in Library(tmp_path).load("question_answering")] == ["mine"]
    assert Library(tmp_path).load("captioning") == PACKAGED.load("captioning")
    rendered = Renderer(Library(tmp_path)).render(load_card("vqav2"), ASKED, 0)
    assert (rendered.instruction, rendered.template) == ("Mine: WHAT IS ON THE TABLE?", "mine")


def test_own_folder_must_hold_files_named_after_tasks(tmp_path):
    with pytest.raises(IbDataError, match="holds no template file"):
        Library(tmp_path).load("captioning")
    write(tmp_path, "target = '{{ caption }}'\n", task="captionning")
    with pytest.raises(IbDataError, match="did you mean 'captioning'"):
        Library(tmp_path).load("captioning")


def test_the_first_target_that_fits_is_rendered(tmp_path):
    text = """\
        target = ['{{ label }}', '{{ answer }}']
        [train]
        any = 'Well?'
        own = 'Say it:'
        [targets]
        own = '{{ question|upper }} {{ answer }}'
        """
    write(tmp_path, text)
    any_, own = Library(tmp_path).load("question_answering")

    def target(template, annotation):
        return Renderer().render(load_card("vqav2"), annotation, 0, template=template).target

    assert target(any_, ASKED) == "cup"
    assert target(any_, replace(ASKED, label="yes")) == "yes"
    assert target(own, replace(ASKED, label="yes")) == "WHAT IS ON THE TABLE? cup"
    with pytest.raises(DataError, match="no answer to render"):
        target(own, replace(ASKED, answers=(), label="yes"))


def test_a_target_of_its_own_may_not_be_shown_either(tmp_path):
    text = "target = '{{ answer }}'\n[train]\na = '{{ question }}'\n[targets]\na = '{{ question|upper }}'\n"
    assert "line 3, template 'a': the instruction shows the target ['question']" in fault(tmp_path, text)


def test_what_a_text_asks_for_may_be_absent(tmp_path):
    body = "{% if ocr_text and not caption %}Words: {{ ocr_text }}. {% endif %}"
    body += "{{ question }} In short{{ '?' if context else '!' }}"
    write(tmp_path, f"target = '{{{{ answer }}}}'\n[train]\na = \"{body}\"\n")
    (template,) = Library(tmp_path).load("question_answering")
    assert template.needs == {"question"}
    assert template.optional == {"ocr_text", "caption", "context"}

    def shown(**fields):
        annotation = replace(ASKED, **fields)
        return Renderer(Library(tmp_path)).render(load_card("vqav2"), annotation, 0).instruction

    assert shown() == "What is on the table? In short!"
    assert shown(ocr_tokens=("A", "B"), context="c") == "Words: A, B. What is on the table? In short?"
    assert shown(ocr_tokens=("A", "B"), caption="c") == "What is on the table? In short!"


def test_zero_shot_keys_are_cards_or_the_papers_held_out_sets(tmp_path):
    assert len(PAPER_HELD_OUT) == len(set(PAPER_HELD_OUT)) == 13
    lines = "".join(f"{name} = '{{{{ question }}}}'\n" for name in {*PAPER_HELD_OUT, *card_names()})
    write(tmp_path, f"target = '{{{{ answer }}}}'\n[zero_shot]\n{lines}")
    assert {t.name for t in Library(tmp_path).load("question_answering")} == {*PAPER_HELD_OUT, *card_names()}


def test_a_field_that_a_zero_shot_prompt_may_lack_is_needed_in_training(tmp_path):
    lines = "a = 'Read {{ ocr_text }}. {{ question }}'\n[zero_shot]\nvizwiz = 'Read {{ ocr_text }}. {{ question }}'\n"
    write(tmp_path, f"target = '{{{{ answer }}}}'\n[train]\n{lines}")
    train, prompt = Library(tmp_path).load("question_answering")
    assert (train.needs, prompt.needs) == ({"ocr_text", "question"}, {"question"})


@pytest.mark.parametrize(
    ("text", "line", "place"),
    [
        ("target = '{{ answer }}'\n[train]\na = 3\n", 3, "template 'a': expected a text, found 3"),
        ("target = '{{ answer }}'\n\n[trian]\na = 'x'\n", 3, "file: unknown key 'trian'; did you mean 'train'?"),
        ("target = '{{ answer }}'\ntarge = 'x'\n", 2, "file: unknown key 'targe'; did you mean 'target'?"),
        ("target = '{{ answer }}'\n[train]\na = 'x'\n[targets]\nb = 'y'\n", 5, "targets: unknown key 'b'; known: a"),
        ("target = '{{ answer }}'\n[train]\na = 'x'\n[targets]\na = 3\n", 5, "target of 'a': expected a text"),
        (
            "target = '{{ answer }}'\n[zero_shot]\nvqav = 'x'\n",
            3,
            "zero_shot: unknown key 'vqav'; did you mean 'vqav2'?",
        ),
        ("# mine\ntarget = 3\n", 2, "target: expected a text, found 3"),
        ("target = '{{ answer }}'\nunused = 'label'\n", 2, "unused: 'unused': expected a list of texts"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path, text, line, place):
    assert f"line {line}, {place}" in fault(tmp_path, text)
    assert Library(tmp_path).file("question_answering").faults[0].line == line


@pytest.mark.parametrize("name", [r'"a\u001b[31mX\u0007"', '"<b>"', '"two words"', '""', '"gr\u00fcn"'])
def test_a_name_that_a_terminal_or_a_page_would_obey_is_refused(tmp_path, name):
    message = fault(tmp_path, f"target = '{{{{ answer }}}}'\n[train]\n{name} = '{{{{ question }}}}'\n")
    assert "a name may hold nothing but letters a to z, digits, _ and -; rename it" in message
    assert message.isprintable()


def test_a_file_has_at_most_200_templates(tmp_path):
    def lines(count):
        return "target = '{{ answer }}'\n[train]\n" + "".join(
            f"t{i} = '{i} {{{{ question }}}}'\n" for i in range(count)
        )

    assert "3,000 templates; at most 200 are allowed" in fault(tmp_path, lines(3_000))
    write(tmp_path, lines(200))
    assert len(Library(tmp_path).load("question_answering")) == 200


@pytest.mark.parametrize(
    ("target", "body", "shown"),
    [
        ("{{ answer }}", "Is it {{ answer_letter }}? {{ question }}", "answer_letter"),
        ("{{ answer }}", '{% if answer_letter == "a" %}Well? {% endif %}{{ question }}', "answer_letter"),
        ("{{ answer_letter }}", "Which letter has {{ answer }}? {{ options_text }}", "answer"),
    ],
)
def test_the_answer_and_its_letter_give_each_other_away(tmp_path, target, body, shown):
    message = fault(tmp_path, f"target = '{target}'\n[train]\na = '{body}'\n")
    assert f"line 3, template 'a': the instruction shows the target ['{shown}']" in message
