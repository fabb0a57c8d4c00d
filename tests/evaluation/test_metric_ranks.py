"""Ranks, reciprocal rank, recall and NDCG."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.ranks import ndcg, rank_metrics, ranks_of


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
def test_ranks_equal_a_stable_sort(scores):
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    assert [ranks_of(scores, index) for index in order] == list(range(1, len(scores) + 1))


def test_ties_go_to_the_lower_index():
    assert [ranks_of(np.zeros(3), index) for index in range(3)] == [1, 2, 3]
    assert ranks_of([0.0, 1.0, 1.0], 2) == 2
    assert ranks_of([-math.inf, 0.0], 0) == 2


def test_metrics_of_ranks():
    found = rank_metrics([1, 2, 10, 100])
    assert found.score == pytest.approx((1 + 1 / 2 + 1 / 10 + 1 / 100) / 4)
    assert found.also == {"r@1": 0.25, "r@5": 0.5, "r@10": 0.75, "mean rank": 28.25}
    assert found.values.tolist() == [1, 0.5, 0.1, 0.01]


def test_chance_among_a_hundred_options():
    """Each rank once is the expectation of random scores, and of constant ones with right options anywhere."""
    found = rank_metrics([ranks_of(np.zeros(100), index) for index in range(100)])
    assert found.score == pytest.approx(0.0518738, abs=5e-8)
    assert found.also == {"r@1": 0.01, "r@5": 0.05, "r@10": 0.1, "mean rank": 50.5}


def test_ndcg_by_hand():
    """k is 2: the options of rank 1 and 2 gain 0 and 1; the best two would gain 1 and 0.5."""
    expected = (1 / math.log2(3)) / (1 + 0.5 / math.log2(3))
    assert ndcg([[2, 1, 3, 4]], [[1.0, 0.0, 0.5, 0.0]]).score == pytest.approx(expected)


def test_ndcg_of_best_and_worst_order():
    relevance = [1.0, 0.8, 0.0, 0.0]
    found = ndcg([[1, 2, 3, 4], [4, 3, 2, 1]], [relevance, relevance])
    assert found.values.tolist() == [1, 0]
    assert found.score == 0.5


@pytest.mark.filterwarnings("error")
def test_bad_input():
    empty = rank_metrics([])
    assert np.isnan([empty.score, *empty.also.values()]).all()
    assert np.isnan(ndcg([], []).score)
    with pytest.raises(ValueError, match="counts from 1; found 0"):
        rank_metrics([1, 0])
    with pytest.raises(IbDataError, match="candidate 1 is nan"):
        ranks_of([0.0, float("nan")], 0)
    with pytest.raises(IbDataError, match="no relevant option"):
        ndcg([[1, 2]], [[0.0, 0.0]])
    with pytest.raises(ValueError, match="each rank from 1 to 2 once"):
        ndcg([[1, 1]], [[1.0, 0.0]])
    with pytest.raises(ValueError, match="2 ranks, 1 relevance"):
        ndcg([[1, 2]], [[1.0]])
    with pytest.raises(IndexError):
        ranks_of([0.0], 1)
