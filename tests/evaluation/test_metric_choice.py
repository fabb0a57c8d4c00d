"""Multiple choice."""

import numpy as np
import pytest

from ib_data.evaluation.metrics.choice import choice_accuracy, letter_choice

PETS = ("a dog", "cat", "Guinea pig.")


def test_choice_accuracy():
    assert choice_accuracy([0, None, 2, 1], [0, 0, 2, 2]).values.tolist() == [1, 0, 1, 0]
    assert np.isnan(choice_accuracy([], []).score)
    with pytest.raises(ValueError, match="found 1 choices, 2 right"):
        choice_accuracy([1], [1, 2])


def test_an_option_of_the_same_text_is_right_too():
    options = [["red", "blue", "red"], ["x", "y", "z"]]
    assert choice_accuracy([2, 1], [0, 1]).score == 0.5
    assert choice_accuracy([2, 1], [0, 1], options).score == 1
    assert choice_accuracy([1, None], [0, 1], options).score == 0
    with pytest.raises(ValueError, match="1 options"):
        choice_accuracy([2, 1], [0, 1], options[:1])


@pytest.mark.parametrize(
    "answer",
    ["(b)", "b", "B", "B.", "b)", "(B) cat", "B: cat", "B. because it meows", " cat ", "Cat.", "The answer is (B).",
     "the correct answer is: b", "Answer: B", "The answer is cat.", "Option B", "(b) a dog"],
)  # fmt: skip
def test_the_second_option_is_meant(answer):
    assert letter_choice(answer, PETS) == 1


@pytest.mark.parametrize(("answer", "index"), [("A dog", 0), ("a", 0), ("guinea pig", 2), ("(c)", 2)])
def test_other_options(answer, index):
    assert letter_choice(answer, PETS) == index


@pytest.mark.parametrize("answer", ["", "(d)", "z", "dog", "A cat and a dog", "not cat", "bcd", "1", "b or c", "(bc)"])
def test_unclear_answers(answer):
    assert letter_choice(answer, PETS) is None


def test_letters_that_are_texts_too():
    swapped = ("B", "A", "neither")
    assert letter_choice("B", swapped) is None
    assert letter_choice("(B)", swapped) == 1
    assert letter_choice("A", ("A", "B")) == 0
    assert letter_choice("E", ("E", "F")) == 0  # no fifth option: the text is meant
    assert letter_choice("option value", ("x", "option value")) == 1


def test_of_equal_texts_the_first_is_meant():
    assert letter_choice("red", ("blue", "red", "red")) == 1
    assert letter_choice("(c)", ("blue", "red", "red")) == 2


def test_no_options():
    assert letter_choice("a", ()) is None
