"""Direct answers of A-OKVQA."""

import numpy as np
import pytest

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.aokvqa import direct_answer


@pytest.mark.parametrize(("matches", "score"), [(0, 0), (1, 1 / 3), (2, 2 / 3), (3, 1), (10, 1)])
def test_nobody_is_left_out(matches, score):
    assert direct_answer(["yes"], [["yes"] * matches + ["no"] * (10 - matches)]).score == score


def test_texts_are_compared_as_they_are():
    assert direct_answer(["Yes", "yes ", "2"], [["yes"] * 10, ["yes"] * 10, ["two"] * 10]).values.tolist() == [0, 0, 0]


def test_bad_input():
    assert direct_answer([""], [["", "", "", "x"]]).score == 0
    assert np.isnan(direct_answer([], []).score)
    with pytest.raises(IbDataError, match="question 0 has no answers"):
        direct_answer(["x"], [[]])
    with pytest.raises(ValueError, match="1 predictions, 2 answers"):
        direct_answer(["x"], [["x"], ["y"]])
