"""The lint as a whole: what comes along has no finding, what cannot be read is one, and what the verb prints."""

import json
from dataclasses import replace
from itertools import combinations

import pytest
from click.testing import CliRunner

from ib_data.cards import load_card
from ib_data.cli import VERBS, group
from ib_data.errors import IbDataError
from ib_data.home import MANIFEST, Home
from ib_data.sample import Annotation, Answer
from ib_data.stored.manifest import INDEX
from ib_data.tasks import TASKS
from ib_data.templates.library import PACKAGED, Library
from ib_data.templates.lint import examples as lint_examples
from ib_data.templates.lint.examples import examples
from ib_data.templates.lint.report import Report, likeness, lint, overlap, sorted_findings
from ib_data.templates.lint.rules import NEAR, NEAR_IN_ANY_ORDER, tokens
from ib_data.verbs.templates import SUBCOMMANDS

ASKED = Annotation(id="q1", question="What  colour , {{ x }}?", answers=(Answer("red", 1),))


def test_what_comes_along_has_no_finding(home):
    report = lint((), home, PACKAGED)
    assert [str(finding) for finding in report.findings] == []
    num_templates = sum(len(PACKAGED.load(task)) for task in TASKS)
    assert (report.num_templates, report.num_tasks, report.num_datasets) == (num_templates, 11, 26)
    assert report.num_samples > 200
    assert not home.root.exists()


@pytest.mark.parametrize(
    ("content", "line", "template", "message"),
    [
        (b"target = '{{ answer }}'\n[train\n", 2, "file", "not TOML"),
        (b"target = '{{ answer }}'\n[trian]\n", 2, "file", "unknown key 'trian'; did you mean 'train'?"),
        (b"target = '{{ caption }}'\nunused = ['labels']\n", 2, "unused", "unknown field 'labels'"),
        (b"target = '{{ nope }}'\n", 1, "target", "unknown field 'nope'"),
        (b"\xff", 1, "file", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_finding(tmp_path, content, line, template, message):
    (tmp_path / "captioning.toml").write_bytes(content)
    (found,) = sorted_findings(Library(tmp_path).file("captioning"), [])
    assert (found.file, found.line, found.rule, found.template) == (
        str(tmp_path / "captioning.toml"), line, "unusable", template,
    )  # fmt: skip
    assert found.message.startswith(message)


def test_a_faulty_file_hides_no_other_task(tmp_path):
    (tmp_path / "llava.toml").write_text("target = '{{ answer }}\n", encoding="utf-8")
    (tmp_path / "classification.toml").write_text("target = '{{ lable }}'\n", encoding="utf-8")
    report = lint(["llava", "classification", "visual_dialogue"], Home(tmp_path / "home"), Library(tmp_path))
    assert [(found.file, found.line) for found in report.findings] == [
        (str(tmp_path / "llava.toml"), 1), (str(tmp_path / "classification.toml"), 1),
    ]  # fmt: skip
    assert (report.num_tasks, report.num_templates) == (3, len(PACKAGED.load("visual_dialogue")))


def test_the_threshold_of_repeats_keeps_its_distance_from_what_comes_along():
    train = [[tokens(t.text) for t in PACKAGED.load(task) if t.kind == "train"] for task in TASKS]
    pairs = [pair for texts in train for pair in combinations(texts, 2)]
    assert max(likeness(*pair) for pair in pairs) < 0.6 < NEAR
    assert max(overlap(*pair) for pair in pairs) < 0.73 < NEAR_IN_ANY_ORDER
    one, two = tokens("Answer briefly: {{ question }}"), tokens("{{ question }} Answer briefly.")
    assert (likeness(one, two) > NEAR, overlap(one, two)) == (True, 1)
    assert tokens("Say {% if context %}it, {% endif %}{{ question }}!") == ["say", "it", "{question}"]
    assert likeness(tokens("In {{ caption }}:"), tokens("In {{ question }}:")) == 0.5


def test_ten_to_fifteen_templates_come_along(tmp_path):
    file = PACKAGED.file("captioning")
    few = replace(file, templates=file.templates[:9])
    (found,) = sorted_findings(few, [])[:1]
    assert (found.rule, found.line, found.template) == ("count", 1, "train")
    assert found.message == "9 training templates; a task has 10 to 15"
    assert not [f for f in sorted_findings(replace(few, packaged=False), []) if f.rule == "count"]
    assert not [f for f in sorted_findings(PACKAGED.file("llava"), []) if f.rule == "count"]


def test_what_is_built_is_linted_too(build):
    hidden = Annotation(id="2", question="What?")
    home = build("okvqa", "train", [((replace(ASKED, label="odd"), hidden), None)])
    (found,) = lint(["knowledge_question_answering"], home, PACKAGED).findings
    assert (found.rule, found.message.partition(",")[0]) == ("unused-field", "okvqa has label")
    (given,) = [e for e in examples(["knowledge_question_answering"], home) if e.card.name == "okvqa"]
    assert hidden in given.annotations


@pytest.mark.parametrize("damaged", [MANIFEST, INDEX, "okvqa-train-000000.tar"])
def test_a_damaged_split_is_said_and_the_rest_is_linted(build, capsys, damaged):
    home = build("okvqa", "train", [((replace(ASKED, label="odd"),), None)])
    build("aokvqa", "train", [((replace(ASKED, statement="odd"),), None)])
    (home.split("okvqa", "train") / damaged).write_bytes(b"{")
    (found,) = lint(["knowledge_question_answering"], home, PACKAGED).findings
    assert (found.rule, found.message.partition(",")[0]) == ("unused-field", "aokvqa has statement")
    assert "okvqa is linted without the rest of okvqa/train: okvqa: " in capsys.readouterr().err


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


@pytest.mark.parametrize("arguments", [("--json", "lint"), ("--json", "lint", "captioning"), ("--json", "list")])
def test_options_before_a_subcommand_are_answered_with_their_place(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert f"put the options after {arguments[1]}: ib-data templates {arguments[1]} [OPTIONS]" in result.stderr
