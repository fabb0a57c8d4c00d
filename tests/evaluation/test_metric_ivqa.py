"""iVQA, open and with the vocabulary of just-ask."""

import numpy as np
import pytest

from ib_data.errors import IbDataError, UnknownNameError
from ib_data.evaluation.metrics.ivqa import ivqa_accuracy

ANSWERS = ["whisk", "whisk", "fork", "spoon", "whisk"]


def test_two_annotators_are_enough():
    scores = ivqa_accuracy(["whisk", "fork", "knife", ""], [ANSWERS] * 4)
    assert scores.values.tolist() == [1, 0.5, 0, 0]
    assert scores.score == 0.375
    assert scores.also == {}


def test_counts_are_as_good_as_texts():
    assert ivqa_accuracy(["fork"], [{"whisk": 3, "fork": 1, "spoon": 1}]).score == 0.5


def test_closed_drops_answers_outside_the_vocabulary():
    answers = [ANSWERS, ["fork", "fork", "pan", "pot", "spoon"], ["tongs", "tongs", "rag", "oil", "pin"]]
    scores = ivqa_accuracy(["whisk", "fork", "tongs"], answers, {"whisk", "spoon", "pan"})
    assert scores.score == 1
    assert scores.also == pytest.approx({"closed": 1 / 3, "closed maximum": 0.5})


def test_a_profile_joins_counts():
    answers = [["2", "two", "3", "4", "5"]]
    assert ivqa_accuracy(["Two."], answers).score == 0
    assert ivqa_accuracy(["Two."], answers, profile="vqa").score == 1
    assert ivqa_accuracy(["Two."], answers, {"two"}, "vqa").also["closed"] == 1
    assert ivqa_accuracy(["Two."], answers, profile="vqa").forms == [("2", ("2", "3", "4", "5"))]


def test_bad_input():
    empty = ivqa_accuracy([], [], set())
    assert np.isnan([empty.score, *empty.also.values()]).all()
    with pytest.raises(IbDataError, match="question 1 has no answers"):
        ivqa_accuracy(["x", "x"], [["x"], []])
    with pytest.raises(ValueError, match="1 predictions, 0 answers"):
        ivqa_accuracy(["x"], [])
    with pytest.raises(UnknownNameError):
        ivqa_accuracy(["x"], [["x"]], profile="open")
