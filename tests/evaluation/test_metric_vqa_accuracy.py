"""VQA accuracy: published examples and traps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.errors import IbDataError, UnknownNameError
from ib_data.evaluation.metrics.vqa_accuracy import PROFILES, vqa_accuracy

WORDS = st.sampled_from(["yes", "no", "Yes.", "a", "two", "2", "dont", "don't", "red, blue", ""])


def one(prediction, answers, profile="vqa-official-2021"):
    return vqa_accuracy([prediction], [answers], profile).score


def by_definition(matches: int, annotators: int) -> float:
    values = []
    for index in range(annotators):
        others = matches - (index < matches)
        values.append(min(1, others / 3))
    return sum(values) / annotators


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("matches", "score"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (7, 1), (10, 1)])
def test_k_of_ten(matches, score, profile):
    assert one("yes", ["yes"] * matches + ["no"] * (10 - matches), profile) == score


@pytest.mark.parametrize("profile", PROFILES)
def test_published_examples(profile):
    answers = ["yes"] * 8 + ["no"] * 2
    assert [one("yes", answers, profile), one("no", answers, profile)] == [1.0, 0.6]
    numbers = [*"1231231231"]
    assert [one(number, numbers, profile) for number in "123"] == [1.0, 0.9, 0.9]


def test_ten_equal_humans_are_left_out_one_by_one():
    """By equality of texts all ten would be left out, and the score be 0."""
    assert [one("black", ["black"] * 10, profile) for profile in PROFILES] == [1.0] * 4


def test_official_code_compares_raw_texts_if_all_humans_agree():
    assert one("Black.", ["black"] * 10) == 0
    assert one("Black", ["black"] * 10) == 0
    assert one("STOP.", ["STOP."] * 10) == 1
    assert one(" STOP\n", ["STOP", "STOP "] * 5) == 1  # blanks at the ends are removed first, of both
    assert one("Black.", ["black"] * 9 + ["grey"]) == 1
    assert one("Black.", ["black"] * 10, "vqa-lavis") == 1
    assert one("Black.", ["black"] * 10, "evalai") == 1
    assert one("Black.", ["black"] * 10, "vizwiz") == 1


def test_lavis_never_normalises_digits_and_articles_of_humans():
    answers = ["two"] * 9 + ["3"]
    assert one("two", answers) == 1
    assert one("two", answers, "vqa-lavis") == 0
    assert one("t-shirt", ["t-shirt"] * 9 + ["x"], "vqa-lavis") == 1
    assert one("t-shirt", ["t-shirt"] * 10, "vqa-lavis") == 0  # all agree: not even the punctuation of humans


def test_vizwiz_normalises_only_the_prediction():
    assert one("two", ["two"] * 9 + ["3"], "vizwiz") == 0
    assert one("two", ["2"] * 9 + ["3"], "vizwiz") == 1
    assert one("Cat.", ["Cat."] * 9 + ["x"], "vizwiz") == 0
    assert one("dont", ["don't"] * 9 + ["x"], "vizwiz") == 0  # a curly apostrophe equals no straight one
    assert one("dont", ["don't"] * 9 + ["x"], "evalai") == 1


def test_fewer_annotators():
    assert one("yes", ["yes"] * 5) == 1
    assert one("yes", ["yes"] * 3) == pytest.approx(2 / 3)
    assert one("yes", ["yes"]) == 0  # nobody else is left
    assert one("yes", ["yes", "yes", "no"]) == pytest.approx(by_definition(2, 3))


def test_ok_vqa_has_five_answers_twice():
    answers = ["race", "race", "motocross", "motocross", "ride", "ride", "ride", "ride", "x", "x"]
    assert [one(answer, answers) for answer in ("race", "ride", "none")] == [0.6, 1.0, 0.0]


def test_an_empty_prediction_is_wrong_but_one_that_becomes_empty_may_match():
    assert one("", ["", "", "", "", "x"]) == 0
    assert one("A", ["a"] * 5 + ["the"] * 5) == 1


def test_forms_are_what_was_compared():
    scores = vqa_accuracy(["The cat.", "Yes"], [["a cat", "dog"], ["yes", "yes"]])
    assert scores.forms == [("cat", ("cat", "dog")), ("Yes", ("yes", "yes"))]
    assert scores.values.tolist() == [by_definition(1, 2), 0]
    assert scores.resampled is None


def test_values_are_not_rounded():
    assert vqa_accuracy(["x", "y"], [["x", "x", "y"]] * 2).values.tolist() == [by_definition(2, 3), by_definition(1, 3)]


def test_bad_input():
    assert np.isnan(vqa_accuracy([], []).score)
    with pytest.raises(ValueError, match="found 1 predictions, 2 answers"):
        vqa_accuracy(["x"], [["x"], ["y"]])
    with pytest.raises(IbDataError, match="question 1 has no answers"):
        vqa_accuracy(["x", "y"], [["x"], []])
    with pytest.raises(UnknownNameError, match="did you mean 'evalai'"):
        vqa_accuracy(["x"], [["x"]], "eval-ai")


@settings(max_examples=50, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=12), WORDS, st.sampled_from(PROFILES), st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(answers, prediction, profile, random):
    shuffled = random.sample(answers, len(answers))
    assert one(prediction, answers, profile) == one(prediction, shuffled, profile)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12))
def test_any_number_of_annotators(matches, others):
    if matches + others:
        score = one("yes", ["yes"] * matches + ["no"] * others)
        assert score == pytest.approx(by_definition(matches, matches + others), abs=1e-15)
