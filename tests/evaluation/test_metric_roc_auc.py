"""ROC-AUC against counting pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.roc_auc import roc_auc

EXAMPLES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30)


def by_pairs(scores, positive) -> float:
    ups = [score for score, label in zip(scores, positive, strict=True) if label]
    downs = [score for score, label in zip(scores, positive, strict=True) if not label]
    if not ups or not downs:
        return float("nan")
    return sum((up > down) + (up == down) / 2 for up in ups for down in downs) / (len(ups) * len(downs))


@settings(max_examples=50, deadline=None)
@given(EXAMPLES)
def test_equals_counting_pairs_with_ties(examples):
    scores, positive = zip(*examples, strict=True)
    assert roc_auc(scores, positive).score == pytest.approx(by_pairs(scores, positive), abs=1e-12, nan_ok=True)


def test_by_hand():
    found = roc_auc([0.9, 0.8, -0.3, -0.5], [True, False, True, False])
    assert found.score == 0.75
    assert found.values.tolist() == [1, 0, 0, 1]
    assert found.also == {"accuracy": 0.5}


def test_the_wrong_sign_mirrors_the_score():
    scores, positive = np.array([3.0, 1, 2, -1, -2]), [True, True, False, False, True]
    assert roc_auc(scores, positive).score == pytest.approx(1 - roc_auc(-scores, positive).score)


def test_infinite_scores_are_ordered():
    assert roc_auc([-np.inf, 0, np.inf], [False, False, True]).score == 1


def test_resampled_is_the_score_of_drawn_examples():
    scores, positive = [0.1, 0.4, 0.35, 0.8], [False, False, True, True]
    found = roc_auc(scores, positive)
    assert found.resampled is not None
    drawn = np.array([0, 0, 1, 2, 3, 3])
    assert found.resampled(np.arange(4)) == found.score == 0.75
    assert found.resampled(drawn) == pytest.approx(by_pairs(np.take(scores, drawn), np.take(positive, drawn)))
    assert np.isnan(found.resampled(np.array([0, 0])))


def test_bad_input():
    assert np.isnan(roc_auc([], []).score)
    assert np.isnan(roc_auc([1.0, 2.0], [True, True]).score)
    with pytest.raises(IbDataError, match="example 1 is nan"):
        roc_auc([1.0, float("nan")], [True, False])
    with pytest.raises(ValueError, match="2 scores, 1 positive"):
        roc_auc([1.0, 2.0], [True])
