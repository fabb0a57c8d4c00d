"""GQA's own measures, computed by hand."""

import numpy as np
import pytest

from ib_data.evaluation.metrics.gqa import consistency, gqa_breakdown
from ib_data.evaluation.metrics.gqa_distribution import distribution

QUESTIONS = {
    "ids": ["01", "1", "2", "3"],
    "structural": ["query", "verify", "logical", "query"],
    "entailed": [["01", "1", "2"], ["2", "77"], [], ["1"]],
    "groups": ["color", None, None, "color"],
}


def test_breakdown():
    scores = gqa_breakdown(["red", "yes", "no", "red"], ["red", "yes", "yes", "blue"], **QUESTIONS)
    assert scores.score == 0.5
    assert scores.values.tolist() == [1, 1, 0, 0]
    assert scores.also["binary"] == 0.5
    assert scores.also["open"] == 0.5
    # Right are 01, which entails 1 (right) and 2 (wrong), and 1, which entails 2; itself and 77, not asked, are out.
    assert scores.also["consistency"] == (0.5 + 0) / 2
    assert scores.also["consistency questions"] == 2
    # One group: red is expected once and found twice, blue once and never.
    assert scores.also["distribution"] == (1 + 1) / 100


def test_equality_is_raw_unless_a_profile_is_given():
    predictions, answers = ["Red.", "Yes", "one", "blue"], ["red", "yes", "1", "blue"]
    assert gqa_breakdown(predictions, answers, **QUESTIONS).score == 0.25
    normal = gqa_breakdown(predictions, answers, **QUESTIONS, profile="vqa")
    assert normal.score == 1
    assert normal.also["consistency"] == 1
    assert normal.also["distribution"] == 0


def test_consistency_leaves_out_what_was_answered_wrongly():
    assert consistency({"a": 0.0, "b": 1.0}, [("a", ["b"]), ("b", ["b"])]) == []


def test_distribution_weighs_groups_by_their_questions():
    pairs = [("red", "red"), ("red", "red"), ("blue", "red"), ("cat", "dog")]
    # color: 3 expected, 2 found, (2 - 3)^2 / 3, of 3 questions; pet: 1 expected, none found, of 1 question.
    assert distribution(pairs, ["color"] * 3 + ["pet"]) == pytest.approx((3 * (1 / 3) + 1 * 1) / 4 / 100)
    assert np.isnan(distribution(pairs, [None] * 4))
    assert distribution(pairs, [None] * 3 + ["pet"]) == 0.01


def test_bad_input():
    empty = gqa_breakdown([], [], ids=[], structural=[], entailed=[], groups=[])
    assert empty.also.pop("consistency questions") == 0
    assert np.isnan([empty.score, *empty.also.values()]).all()
    with pytest.raises(ValueError, match="question '1' comes twice"):
        gqa_breakdown(["x"] * 4, ["x"] * 4, **QUESTIONS | {"ids": ["1", "1", "2", "3"]})
    with pytest.raises(ValueError, match="3 predictions, 4 ids"):
        gqa_breakdown(["x"] * 3, ["x"] * 3, **QUESTIONS)
