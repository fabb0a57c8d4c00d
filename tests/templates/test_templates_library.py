"""Every template that comes along, and what a faulty template file is answered with."""

import hashlib
import re
import textwrap
from difflib import SequenceMatcher
from itertools import combinations

import pytest

from ib_data.cards import load_card
from ib_data.errors import DataError, IbDataError
from ib_data.sample import Annotation, Answer
from ib_data.templates import KNOWN_FIELDS, load_task, render, render_all, tasks_with_templates, zero_shot

ASKED = Annotation(
    id="q1", question="What is on the table?", answers=(Answer("cup", 1),), options=("plate", "cup"), answer_index=1
)
EXAMPLES = {
    "captioning": ("coco_caption", Annotation(id="c1", caption="A cup on a table.")),
    "question_answering": ("vqav2", ASKED),
    "knowledge_question_answering": ("aokvqa", ASKED),
    "question_generation": ("vqav2_qg", ASKED),
    "visual_reasoning": ("vsr", Annotation(id="s1", statement="The cup is on the table.", label="true")),
}
FIVE = sorted(EXAMPLES)


def write(folder, text, task="question_answering"):
    path = folder / f"{task}.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def fault(folder, text, task="question_answering"):
    write(folder, text, task)
    with pytest.raises(DataError) as caught:
        load_task(task, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_five_tasks_have_templates():
    assert set(FIVE) <= set(tasks_with_templates())


@pytest.mark.parametrize("task", FIVE)
def test_every_template_renders_clean(task):
    name, annotation = EXAMPLES[task]
    found = render_all(load_card(name), annotation, seed=0, position=0)
    fitting = [t for t in load_task(task) if t.kind == "train" or t.name == name]
    assert [r.template for r in found] == [t.name for t in fitting]
    for rendered in found:
        for part in (rendered.instruction, rendered.target):
            assert part
            assert part == part.strip()
            assert not re.search(r"[{}]|  |\n", part), part
        assert rendered.target.lower() not in {rendered.instruction.lower(), ""}


@pytest.mark.parametrize("task", FIVE)
def test_every_template_shows_its_fields(task):
    name, annotation = EXAMPLES[task]
    given = {"question": annotation.question, "statement": annotation.statement, "answer": "cup"}
    for template in load_task(task):
        instruction = render(load_card(name), annotation, seed=0, position=0, template=template).instruction
        for field in template.fields - {"options_text"}:
            assert given[field] in instruction
        assert ("(a) plate (b) cup" in instruction) == template.shows_options


@pytest.mark.parametrize("task", FIVE)
def test_ten_distinct_training_templates(task):
    train = [t for t in load_task(task) if t.kind == "train"]
    assert len(train) >= 10
    assert len({t.name for t in load_task(task)}) == len(load_task(task))
    assert len({t.text.lower() for t in train}) == len(train)
    for one, two in combinations(train, 2):
        bare = [re.sub(r"\{\{.*?\}\}", "", t.text).lower() for t in (one, two)]
        assert SequenceMatcher(None, *bare, autojunk=False).ratio() < 0.8, (one.text, two.text)


@pytest.mark.parametrize("task", FIVE)
def test_a_template_knows_its_hash_and_fields(task):
    for template in load_task(task):
        assert template.sha256 == hashlib.sha256(template.text.encode()).hexdigest()
        assert template.fields <= template.needs <= set(KNOWN_FIELDS)


@pytest.mark.parametrize("task", ["question_answering", "knowledge_question_answering"])
def test_short_answer_tasks_ask_for_short_answers(task):
    short = re.compile(r"short|brief|few|terse|word|without a full sentence|choice|answer:", re.IGNORECASE)
    assert [t.text for t in load_task(task) if not short.search(t.text)] == []


def test_the_prompt_of_vsr_is_the_papers():
    template = zero_shot(load_card("vsr"))
    text = render(load_card("vsr"), EXAMPLES["visual_reasoning"][1], seed=0, position=0, template=template).instruction
    assert text == 'Based on the image, is this statement true or false? "The cup is on the table." Answer:'
    assert zero_shot(load_card("vqav2")) is None


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
        ("{{ question.__class__ }}", "getattr"),
        ('{{ question["__class__"] }}', "getitem"),
        ("{{ question.upper() }}", "not use"),
        ('{{ question|attr("__class__") }}', "No filter named 'attr'"),
        ("{{ question|random }}", "No filter named 'random'"),
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
    ],
)
def test_a_faulty_file_is_refused(tmp_path, text, expected):
    assert expected in fault(tmp_path, text)


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "captioning.toml").write_bytes(b"target = '\xff'")
    with pytest.raises(DataError, match="not UTF-8"):
        load_task("captioning", tmp_path)


def test_own_folder_takes_the_place_of_one_task_only(tmp_path):
    write(tmp_path, "target = '{{ answer }}'\n[train]\nmine = 'Mine: {{ question|upper }}'\n")
    assert [t.name for t in load_task("question_answering", tmp_path)] == ["mine"]
    assert load_task("captioning", tmp_path) == load_task("captioning")
    rendered = render(load_card("vqav2"), ASKED, seed=0, position=0, folder=tmp_path)
    assert (rendered.instruction, rendered.template) == ("Mine: WHAT IS ON THE TABLE?", "mine")


def test_own_folder_must_hold_files_named_after_tasks(tmp_path):
    with pytest.raises(IbDataError, match="holds no template file"):
        load_task("captioning", tmp_path)
    write(tmp_path, "target = '{{ caption }}'\n", task="captionning")
    with pytest.raises(IbDataError, match="did you mean 'captioning'"):
        load_task("captioning", tmp_path)
