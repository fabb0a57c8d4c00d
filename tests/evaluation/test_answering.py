"""Scores of candidates."""

import numpy as np
import pytest

from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Ranking

RANKING = Ranking(sums=np.array([-6.0, -2.0]), num_tokens=np.array([3, 2]), num_bytes=np.array([12, 0]))


@pytest.mark.parametrize(
    ("normalisation", "expected"), [("sum", [-6.0, -2.0]), ("mean", [-2.0, -1.0]), ("bytes", [-0.5, -2.0])]
)
def test_scores_by_normalisation(normalisation, expected):
    assert RANKING.scores(normalisation).tolist() == expected


def test_an_unknown_normalisation_is_an_error():
    with pytest.raises(IbDataError, match="unknown normalisation 'means'; did you mean 'mean'"):
        RANKING.scores("means")
