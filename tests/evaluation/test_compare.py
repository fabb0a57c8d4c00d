"""Two reports side by side: scores, tests, examples, and what cannot be compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_reports import A, B, toy_case, toy_evaluated, write

from ib_data.errors import IbDataError
from ib_data.evaluation.case import Prediction
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.report.comparison import compare
from ib_data.evaluation.report.comparison_text import comparison_text
from ib_data.evaluation.report.paired import MCNEMAR, PERMUTATION
from ib_data.evaluation.report.statistics import mcnemar_test
from ib_data.evaluation.scoring.evaluated import Evaluated


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
    comparison = compare(a, a / "report.json")
    assert comparison.notes == comparison.to_plain(0)["notes"] == ["A and B are the same report"]
    assert "\nA and B are the same report\n" in comparison_text(comparison, 5)
    (found,) = comparison.datasets
    assert found.notes == ["all answers and values are the same in A and B"]
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
    b = toy_evaluated(B, method="rank", decoding={})
    (found,) = compare(*two(toy_evaluated(A), b)).datasets
    assert found.notes == ["differs between A and B: method, decoding, ranking"]


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


def test_of_losses_the_lower_is_better(two, cli):
    a, b = (toy_evaluated([2.5, 1.0, 1.25, 3.0]), toy_evaluated([2.0, 0.5, 1.5, 3.0]))
    a, b = (replace(one, protocol=replace(one.protocol, metric="token-loss")) for one in (a, b))
    folders = two(a, b)
    (found,) = compare(*folders).datasets
    assert (found.paired.num_better, found.paired.num_worse, found.paired.num_equal) == (2, 1, 1)
    row = next(line for line in cli("compare", *folders).out.splitlines() if line.startswith("gqa  "))
    assert row.split()[3:6] == ["1.938", "1.75", "-0.1875"]
