"""Two reports side by side: scores, tests, examples, and what cannot be compared."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_reports import toy_case, toy_evaluated

from ib_data.errors import IbDataError
from ib_data.evaluation.case import Prediction
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.report.comparison import compare
from ib_data.evaluation.report.paired import MCNEMAR, PERMUTATION
from ib_data.evaluation.report.statistics import mcnemar_test
from ib_data.evaluation.report.writing import write_report
from ib_data.evaluation.scoring.evaluated import Evaluated

A = [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
B = [1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]


def write(folder: Path, *evaluated: Evaluated) -> Path:
    write_report(folder, evaluated, lambda _dataset, _key: None)
    return folder


@pytest.fixture
def two(tmp_path: Path):
    """Writes two reports and gives their folders: of values, or of evaluations."""

    def written(a: Sequence[float] | Evaluated = A, b: Sequence[float] | Evaluated = B, **changes: Any):
        both = [one if isinstance(one, Evaluated) else toy_evaluated(one, **changes) for one in (a, b)]
        return write(tmp_path / "a", both[0]), write(tmp_path / "b", both[1])

    return written


def alone(cases: Evaluated) -> Evaluated:
    """The same with an image for each case."""
    num = len(cases.cases)
    return replace(cases, cases=[toy_case(i, media_sha256=f"{i:064x}") for i in range(num)])


def test_scores_counts_and_mcnemars_test(two):
    (found,) = compare(*two()).datasets
    assert (found.score_a, found.score_b, found.difference) == (0.5, 0.75, 0.25)
    counts = found.paired
    assert (counts.num_better, counts.num_worse, counts.num_equal) == (3, 1, 4)
    assert counts.test == MCNEMAR
    assert counts.p_value == pytest.approx(mcnemar_test(3, 1)) == pytest.approx(10 / 16)
    # The differences of the four images are -1, 2, 1 and 0: 4 of 8 flips give at least 2 or at most -2.
    assert counts.p_over_images == pytest.approx(6 / 8)
    assert counts.interval[0] < 0.25 < counts.interval[1]
    assert found.notes == []


def test_values_that_are_not_0_or_1_are_permuted(two):
    (found,) = compare(*two([0.2, 0.2, 0.5, 0.5], [0.4, 0.4, 0.9, 0.9])).datasets
    assert found.paired.test == PERMUTATION
    assert found.paired.p_value == 2 / 4  # two images, both better
    assert found.paired.p_over_images is None


def test_mcnemar_stands_alone_without_shared_images(two):
    (found,) = compare(*two(alone(toy_evaluated(A)), alone(toy_evaluated(B)))).datasets
    assert found.paired.p_over_images is None


def test_a_report_equals_itself(two):
    a, _ = two()
    (found,) = compare(a, a / "report.json").datasets
    assert found.paired.p_value == 1
    assert found.paired.interval == (0, 0)
    assert found.differing == []


def test_exchanging_the_reports_changes_signs_only(two):
    a, b = two()
    (there,), (back,) = compare(a, b).datasets, compare(b, a).datasets
    assert back.difference == -there.difference
    assert back.paired.p_value == there.paired.p_value
    assert (back.paired.num_better, back.paired.num_worse) == (there.paired.num_worse, there.paired.num_better)
    assert back.paired.interval == pytest.approx((-there.paired.interval[1], -there.paired.interval[0]))


def test_examples_that_differ_most_come_first(two):
    a, b = toy_evaluated([0.3, 0.6, 1.0, 0.0]), toy_evaluated([0.3, 0.0, 1.0, 1.0])
    answers = ["another", "answer 1", "answer 2", ""]
    predictions = [Prediction(id=f"q{i}", answer=text) for i, text in enumerate(answers)]
    predictions[3] = replace(predictions[3], error="no image")
    (found,) = compare(*two(a, replace(b, predictions=predictions))).datasets
    assert [(one.id, one.value_a, one.value_b) for one in found.differing] == [
        ("q3", 0.0, 1.0), ("q1", 0.6, 0.0), ("q0", 0.3, 0.3),
    ]  # fmt: skip
    assert found.differing[0].answer_b == "(failed: no image)"
    assert found.differing[2].answer_b == "another"
    assert found.differing[2].gold == ("gold 0",)


def test_examples_in_one_report_only_are_counted_and_left_out(two):
    b = toy_evaluated(B)
    others = [replace(case, id="x" + case.id) if i in (0, 1, 2) else case for i, case in enumerate(b.cases)]
    (found,) = compare(*two(toy_evaluated(A), replace(b, cases=others))).datasets
    assert found.num_compared == 5
    assert (found.score_a, found.score_b) == (pytest.approx(2 / 5), pytest.approx(4 / 5))
    assert found.notes == ["3 examples are only in A, 3 only in B; compared are the 5 in both"]


def test_settings_that_differ_are_named(two):
    b = toy_evaluated(B, method="rank", decoding={}, shuffle_seed=2)
    (found,) = compare(*two(toy_evaluated(A), b)).datasets
    assert found.notes == ["differs between A and B: method, decoding, ranking, shuffle seed"]


def test_other_gold_answers_are_named(two):
    b = replace(toy_evaluated(B), golds=[("other",), *[(f"gold {i}",) for i in range(1, 8)]])
    assert compare(*two(toy_evaluated(A), b)).datasets[0].notes == [
        "1 examples have other gold answers in B: the data differ"
    ]


def test_a_score_that_is_no_mean_is_kept_and_said(two):
    scores = Scores(score=0.71, values=np.array(A), resampled=lambda _: 0.7)
    (found,) = compare(*two(replace(toy_evaluated(A), scores=scores), toy_evaluated(B))).datasets
    assert (found.score_a, found.score_b) == (0.71, 0.75)
    assert found.notes == ["the score is no mean over examples: test, interval and counts are of the examples' values"]


def test_values_that_are_no_numbers_are_left_out(two):
    scores = Scores(score=float("nan"), values=np.array([*A[:-1], float("nan")]))
    (found,) = compare(*two(replace(toy_evaluated(A), scores=scores), toy_evaluated(B))).datasets
    assert found.num_compared == 7
    assert found.difference is None
    assert "1 examples without a value are left out of the test" in found.notes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": "validation"}, "gqa: another split: test in A, validation in B"),
        ({"metric": "vqa"}, "gqa: another metric: gqa-accuracy in A, vqa in B"),
        ({"profile": ""}, "gqa: another profile: exact in A, none in B"),
    ],
)
def test_another_protocol_is_a_problem(two, changes, words):
    b = toy_evaluated(B)
    found = compare(*two(toy_evaluated(A), replace(b, protocol=replace(b.protocol, **changes))))
    assert found.datasets == []
    assert found.problems["gqa"].startswith(words)


def test_another_split_of_the_source_is_a_problem(two):
    found = compare(*two(toy_evaluated(A), toy_evaluated(B, split_source_name="testdev_all")))
    assert "split of the source: testdev_balanced in A, testdev_all in B" in found.problems["gqa"]


def test_a_part_is_not_compared_with_the_whole(two):
    found = compare(*two(toy_evaluated(A), toy_evaluated(B[:4], is_part=True)))
    assert found.problems["gqa"] == (
        "gqa: B is a part of 4 cases, the other one the whole of 8; evaluate the same -n for both"
    )
    assert compare(*two(toy_evaluated(A, is_part=True), toy_evaluated(B, is_part=True))).datasets


def test_no_common_example_is_a_problem(two):
    b = toy_evaluated(B)
    found = compare(*two(toy_evaluated(A), replace(b, cases=[replace(case, id="x" + case.id) for case in b.cases])))
    assert "no example is in both reports" in found.problems["gqa"]


def test_no_common_dataset_is_an_error(two):
    with pytest.raises(IbDataError, match=r"no dataset is in both reports: .*a has gqa; .*b has vsr"):
        compare(*two(toy_evaluated(A), toy_evaluated(B, dataset="vsr")))


def test_one_dataset_does_not_stop_the_others(tmp_path: Path):
    a = write(tmp_path / "a", toy_evaluated(A), toy_evaluated(A, dataset="vsr"), toy_evaluated(A, dataset="iconqa"))
    b = write(
        tmp_path / "b",
        toy_evaluated(B, is_part=True), toy_evaluated(B, dataset="vsr"), toy_evaluated(B, dataset="nocaps"),
    )  # fmt: skip
    found = compare(a, b)
    assert [one.name for one in found.datasets] == ["vsr"]
    assert list(found.problems) == ["gqa"]
    assert (found.only_a, found.only_b) == (["iconqa"], ["nocaps"])


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
            "id": "q1", "gold": ["gold 1"], "answer_a": "answer 1", "answer_b": "answer 1", "value_a": 1.0,
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


def test_of_losses_the_lower_is_better(two, cli):
    a, b = (toy_evaluated([2.5, 1.0, 1.25, 3.0]), toy_evaluated([2.0, 0.5, 1.5, 3.0]))
    a, b = (replace(one, protocol=replace(one.protocol, metric="token-loss")) for one in (a, b))
    folders = two(a, b)
    (found,) = compare(*folders).datasets
    assert (found.paired.num_better, found.paired.num_worse, found.paired.num_equal) == (2, 1, 1)
    row = next(line for line in cli("compare", *folders).out.splitlines() if line.startswith("gqa  "))
    assert row.split()[3:6] == ["1.938", "1.75", "-0.1875"]
