"""Generated questions against those of the dataset."""

import numpy as np
import pytest

from ib_data.evaluation.metrics.question_match import exact_match


def test_case_punctuation_and_blanks_do_not_count():
    references = [["What's this?", "Where is it?"]]
    for text in ("whats this", " What's  THIS? ", "where is it"):
        assert exact_match([text], references).score == 1
    assert exact_match(["what is this?"], references).score == 0
    assert exact_match(["Where is it!"], references).forms == [("where is it", ("whats this", "where is it"))]


def test_bad_input():
    assert exact_match(["?", "x"], [["!"], []]).values.tolist() == [0, 0]
    assert np.isnan(exact_match([], []).score)
    with pytest.raises(ValueError, match="1 predictions, 0 references"):
        exact_match(["x"], [])
