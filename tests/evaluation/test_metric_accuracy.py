"""Accuracy and vocabulary accuracy."""

import numpy as np
import pytest

from ib_data.errors import UnknownNameError
from ib_data.evaluation.metrics.accuracy import PROFILES, accuracy, vocabulary_accuracy


def test_profiles():
    predictions, answers = ["Couch", "couch ", "couch", "The one."], ["couch", "couch", "couch", "1"]
    assert accuracy(predictions, answers).values.tolist() == [0, 0, 1, 0]
    assert accuracy(predictions, answers, "case-insensitive").values.tolist() == [1, 1, 1, 0]
    assert accuracy(predictions, answers, "vqa").values.tolist() == [1, 1, 1, 1]
    assert accuracy(predictions, answers, "vqa").forms[-1] == ("1", ("1",))


def test_an_empty_prediction_is_wrong():
    assert accuracy(["", "a"], ["the", "the"], "vqa").values.tolist() == [0, 1]
    assert accuracy([""], [""]).score == 0


def test_vocabulary_accuracy():
    scores = vocabulary_accuracy(["dog", "cat", "newt", "dog"], ["dog", "dog", "newt", "axolotl"], {"dog", "cat"})
    assert scores.score == 0.5
    assert scores.also == {"answers in vocabulary": 0.5, "accuracy in vocabulary": 0.5}
    assert scores.values.tolist() == [1, 0, 1, 0]


def test_a_vocabulary_is_compared_by_the_profile():
    scores = vocabulary_accuracy(["Two."], ["2"], ["two"], "vqa")
    assert scores.also == {"answers in vocabulary": 1, "accuracy in vocabulary": 1}


def test_no_answer_in_the_vocabulary():
    scores = vocabulary_accuracy(["x"], ["x"], [])
    assert scores.score == 1
    assert scores.also["answers in vocabulary"] == 0
    assert np.isnan(scores.also["accuracy in vocabulary"])


def test_bad_input():
    assert np.isnan(accuracy([], []).score)
    with pytest.raises(ValueError, match="found 1 predictions, 0 answers"):
        accuracy(["x"], [])
    with pytest.raises(UnknownNameError, match="did you mean 'exact'"):
        accuracy(["x"], ["x"], "exactly")
    assert PROFILES == ("exact", "case-insensitive", "vqa")
