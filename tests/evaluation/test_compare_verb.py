"""`ib-data compare`: what it prints, and its errors in one line."""

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from toy_reports import A, B, toy_evaluated, write

from ib_data.evaluation.case import Prediction

DAMAGED = {
    "no report": (lambda a: (a / "report.json").write_text("{}"), "is not a report"),
    "no JSON": (lambda a: (a / "report.json").write_text("{"), "is not JSON"),
    "a list": (lambda a: (a / "report.json").write_text("[1]"), "is not a report"),
    "not text": (lambda a: (a / "report.json").write_bytes(b"\xff\xfe\x00"), "is not JSON"),
    "another version": (
        lambda a: changed(a, lambda report: report.update(version=2)),
        "found a report of version 2, expected version 1; evaluate again",
    ),
    "no counts": (lambda a: changed(a, lambda report: report["datasets"]["gqa"].pop("counts")), "'cases' is missing"),
    "a score of text": (
        lambda a: changed(a, lambda report: report["datasets"]["gqa"].update(score="1")),
        "'score': expected a number",
    ),
}


def changed(folder: Path, change) -> None:
    file = folder / "report.json"
    report = json.loads(file.read_text())
    change(report)
    file.write_text(json.dumps(report))


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_is_no_report_is_one_line(two, cli, damage):
    a, b = two()
    break_it, words = DAMAGED[damage]
    break_it(a)
    result = cli("compare", a, b)
    assert result.code == 1
    assert words in result.err
    assert result.err.count("\n") == 1
    assert result.out == ""


EXAMPLES = {
    "absent": (lambda lines: None, "is missing; copy the whole folder"),
    "short": (lambda lines: lines[:-1], "expected 8 lines as report.json says, found 7"),
    "twice": (lambda lines: [*lines[:-1], lines[0]], "line 8: id 'q0' is there twice"),
    "no JSON": (lambda lines: ["x", *lines[1:]], "line 1: is not JSON"),
    "no id": (lambda lines: ["{}", *lines[1:]], "key 'id' is missing"),
    "a value of text": (lambda lines: [lines[0].replace('"value":1.0', '"value":"1"'), *lines[1:]], "'value'"),
}


@pytest.mark.parametrize("damage", EXAMPLES)
def test_damaged_examples_are_one_line(two, cli, damage):
    a, b = two()
    file = b / "gqa" / "examples.jsonl"
    make, words = EXAMPLES[damage]
    lines = make(file.read_text().splitlines())
    file.unlink() if lines is None else file.write_text("\n".join(lines))
    result = cli("compare", a, b)
    assert result.code == 1
    assert words in result.err
    assert result.err.count("\n") == 1


def test_the_verb_prints_a_table_notes_and_examples(two, cli):
    a, b = two(toy_evaluated(A), toy_evaluated(B, decoding={}))
    result = cli("compare", a, b, "--examples", 2)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"A is {a}, B is {b}\n")
    row = next(line for line in result.out.splitlines() if line.startswith("gqa  "))
    assert row.split()[:6] == ["gqa", "gqa-accuracy", "(exact)", "50", "75", "25"]
    assert "McNemar's test, exact" in row
    assert "gqa: differs between A and B: decoding" in result.out
    assert "the permutation test over images gives p = 0.75" in result.out
    assert "gqa: 2 of 4 examples that differ" in result.out
    assert "q1" in result.out
    assert "gold 1" in result.out
    assert "examples that differ" not in cli("compare", a, b, "--examples", 0).out


def test_the_verb_prints_json(two, cli):
    result = cli("compare", *two(), "--json", "--examples", 1)
    found = json.loads(result.out)
    assert (result.code, result.err) == (0, "")
    dataset = found["datasets"]["gqa"]
    assert (dataset["score_a"], dataset["score_b"], dataset["difference"]) == (0.5, 0.75, 0.25)
    assert (dataset["num_better"], dataset["num_worse"], dataset["num_equal"]) == (3, 1, 4)
    assert dataset["test"] == "McNemar's test, exact"
    assert dataset["p_value"] == pytest.approx(0.625)
    assert len(dataset["interval"]) == 2
    assert dataset["num_differing"] == 4
    assert dataset["examples"] == [
        {
            "id": "q1", "key": "gqa-test-image0", "prompt": "what is 1? Short answer:",
            "gold": ["gold 1"], "answer_a": "answer 1", "answer_b": "answer 1", "value_a": 1.0,
            "value_b": 0.0,
        }
    ]  # fmt: skip


def test_the_verb_fails_after_the_datasets_that_it_could_compare(tmp_path: Path, cli):
    a = write(tmp_path / "a", toy_evaluated(A), toy_evaluated(A, dataset="vsr"))
    b = write(tmp_path / "b", toy_evaluated(B, is_part=True), toy_evaluated(B, dataset="vsr"))
    result = cli("compare", a, b)
    assert result.code == 1
    assert result.err.startswith("ib-data: gqa: B is a part")
    assert "vsr" in result.out
    assert json.loads(cli("compare", a, b, "--json").out)["problems"]["gqa"].startswith("gqa: B is a part")


def test_a_strangers_text_does_not_control_the_terminal(two, cli):
    b = replace(toy_evaluated(B), predictions=[Prediction(id=f"q{i}", answer="\x1b[31m\nred") for i in range(8)])
    out = cli("compare", *two(toy_evaluated(A), b)).out
    assert "\x1b" not in out
    assert r"\x1b[31m\nred" in out


def test_wrong_usage(two, cli, tmp_path):
    a, _ = two()
    assert cli("compare", a).code == 2
    result = cli("compare", a, tmp_path / "nothing")
    assert result.code == 2
    assert result.err.startswith(f"ib-data: {tmp_path / 'nothing'}: no such file or folder; name a folder that")
    (tmp_path / "empty").mkdir()
    assert "a folder without report.json" in cli("compare", tmp_path / "empty", a).err
    assert cli("compare", a, a, "--examples", -1).code == 2


def test_the_page_has_both_answers_and_escapes_them(two, cli, tmp_path):
    a, b = two()
    bad = "<script>alert(1)</script>"
    line = (b / "gqa/examples.jsonl").read_text().splitlines()
    changed_line = json.loads(line[1])
    changed_line["answer"] = bad
    (b / "gqa/examples.jsonl").write_text("\n".join([line[0], json.dumps(changed_line), *line[2:]]) + "\n")
    page = tmp_path / "page.html"
    result = cli("compare", a, b, "--html", page, "--examples", 3)
    assert result.code == 0
    text = page.read_text()
    assert bad not in text
    assert "&lt;script&gt;" in text
    assert text.count("<article>") == 3
    style = text.split("<style>")[1].split("</style>")[0]
    assert "article {" in style
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in text  # the policy allows it
    assert "what is 1? Short answer:" in text
    assert "answer 1" in text
    assert "gold 1" in text
    assert f"page: {page}" in result.err


def test_a_page_in_no_folder_is_an_error_before_anything_is_compared(two, cli, tmp_path):
    a, b = two()
    result = cli("compare", a, b, "--html", tmp_path / "absent" / "page.html")
    assert result.code == 1
    assert "there is no folder" in result.err
    assert result.out == ""
