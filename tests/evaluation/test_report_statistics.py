"""Intervals and paired tests, against values computed by hand or by counting."""

import itertools
import math

import numpy as np
import pytest

from ib_data.evaluation.metrics.scores import Scores, mean_scores
from ib_data.evaluation.report.statistics import Images, interval, mcnemar_test, permutation_test


def one_each(num: int) -> Images:
    return Images.of(range(num))


def test_images_are_their_cases():
    images = Images.of(["b", "a", "b", "c", "a"])
    assert images.sums(np.array([1.0, 2, 3, 4, 5])).tolist() == [4, 7, 4]
    assert images.cases(np.array([1, 0, 1])).tolist() == [1, 4, 0, 2, 1, 4]


def test_mcnemar_is_the_binomial_tail():
    # 5 against 0: both ways all agree, 2 / 2**5. 6 of 21 discordant pairs: twice the sum of C(21, 0..6) / 2**21.
    assert mcnemar_test(5, 0) == pytest.approx(2 / 32)
    for better, worse in [(6, 15), (15, 6), (1, 9), (40, 61), (0, 0), (7, 7)]:
        num, fewer = better + worse, min(better, worse)
        tail = sum(math.comb(num, i) for i in range(fewer + 1)) / 2**num
        assert mcnemar_test(better, worse) == pytest.approx(min(1, 2 * tail), rel=1e-12)


def test_mcnemar_of_a_textbook():
    # Agresti, Categorical Data Analysis: 86 against 150 changed their opinion; z**2 = 17.36, exact p about 3.7e-5.
    num = 236
    exact = 2 * sum(math.comb(num, i) for i in range(87)) / 2**num
    assert mcnemar_test(150, 86) == pytest.approx(exact, rel=1e-10)
    assert mcnemar_test(36_000, 36_821) == pytest.approx(
        2 * 0.5 * math.erfc(820 / math.sqrt(72_821) / 2**0.5), rel=1e-3
    )


def test_permutation_test_tries_all_signs_of_few_differences():
    differences = np.array([0.3, -0.1, 0.9, 0.0, 0.4, 1.0])
    moved = differences[differences != 0]
    flipped = [abs(np.dot(signs, moved)) for signs in itertools.product([1, -1], repeat=5)]
    expected = np.mean([value >= abs(moved.sum()) - 1e-12 for value in flipped])
    assert permutation_test(differences) == expected == 4 / 32
    assert permutation_test(np.array([1.0, 1, 1, 1, 1])) == 2 / 32
    assert permutation_test(np.zeros(7)) == permutation_test(np.zeros(0)) == 1


def test_permutation_test_of_many_is_near_the_exact_one():
    rng = np.random.default_rng(5)
    few = rng.normal(0.3, 1, 16)
    exact = permutation_test(few)
    many = permutation_test(np.concatenate([few, [1e-13]]))  # 17 differences: drawn instead of counted
    assert many == pytest.approx(exact, abs=0.02)
    assert many != exact
    # Differences of 1, 0 and -1 are McNemar's: 40 better, 61 worse.
    drawn = permutation_test(np.array([1.0] * 40 + [-1.0] * 61 + [0.0] * 500))
    assert drawn == pytest.approx(mcnemar_test(40, 61), abs=0.01)


def test_tests_know_no_sign_no_scale_and_no_order():
    rng = np.random.default_rng(1)
    for num in (9, 60):
        differences = rng.normal(0.2, 1, num)
        p = permutation_test(differences)
        assert permutation_test(-differences) == p
        assert permutation_test(rng.permutation(differences)) == p
        assert permutation_test(differences * 8) == p
    assert mcnemar_test(3, 17) == mcnemar_test(17, 3)


def test_interval_of_a_mean_is_near_the_normal_one():
    rng = np.random.default_rng(2)
    values = rng.normal(0.4, 0.2, 2_000)
    low, high = interval(mean_scores(values), one_each(2_000))
    half = 1.96 * values.std() / math.sqrt(2_000)
    assert low == pytest.approx(values.mean() - half, abs=half / 5)
    assert high == pytest.approx(values.mean() + half, abs=half / 5)
    assert interval(mean_scores(values), one_each(2_000)) == (low, high)
    assert interval(mean_scores(values), one_each(2_000), seed=1) != (low, high)


def test_interval_covers_the_mean():
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        found = interval(mean_scores((rng.random(100) < 0.6).astype(float)), one_each(100), draws=200, seed=trial)
        covered += found[0] <= 0.6 <= found[1]
    assert 0.90 <= covered / 200 <= 0.99


def test_equal_cases_of_an_image_are_one_observation():
    rng = np.random.default_rng(4)
    values = rng.random(300)
    repeated = interval(mean_scores(np.repeat(values, 10)), Images.of([i // 10 for i in range(3_000)]))
    assert repeated == pytest.approx(interval(mean_scores(values), one_each(300)))
    as_cases = interval(mean_scores(np.repeat(values, 10)), one_each(3_000))
    assert repeated[1] - repeated[0] > 2.5 * (as_cases[1] - as_cases[0])


def test_interval_is_that_of_shifted_and_reordered_values():
    rng = np.random.default_rng(6)
    values = rng.random(50)
    low, high = interval(mean_scores(values), one_each(50))
    assert interval(mean_scores(values + 2), one_each(50)) == pytest.approx((low + 2, high + 2))
    names = rng.integers(0, 9, 50)
    uneven = interval(mean_scores(values), Images.of(list(names)), draws=4_000)
    order = rng.permutation(50)
    assert interval(mean_scores(values[order]), Images.of(list(names[order])), draws=4_000) == pytest.approx(
        uneven, abs=0.02
    )


def test_a_score_that_is_no_mean_is_computed_again_for_every_draw():
    values = np.random.default_rng(7).random(80)
    drawn = []

    def resampled(indices: np.ndarray) -> float:
        drawn.append(indices)
        return float(np.median(values[indices])) if len(drawn) > 3 else float("nan")

    scores = Scores(score=float(np.median(values)), values=values, resampled=resampled)
    low, high = interval(scores, Images.of([i // 4 for i in range(80)]), draws=100)
    assert low < np.median(values) < high
    assert len(drawn) == 100
    for indices in drawn:
        assert len(indices) == 80
        assert (np.bincount(indices // 4, minlength=20) % 4 == 0).all()  # whole images


def test_mean_and_resampled_mean_give_one_interval():
    values = np.random.default_rng(8).random(90)
    images = Images.of([i // 7 for i in range(90)])  # the last image has fewer cases
    again = Scores(score=values.mean(), values=values, resampled=lambda indices: float(values[indices].mean()))
    assert interval(mean_scores(values), images) == pytest.approx(interval(again, images))


def test_there_is_no_interval_without_two_images_or_numbers():
    assert interval(mean_scores([]), one_each(0)) is None
    assert interval(mean_scores([0.5, 1.0]), Images.of(["a", "a"])) is None
    assert interval(mean_scores([0.5, float("nan")]), one_each(2)) is None
    never = Scores(score=float("nan"), values=np.ones(3), resampled=lambda _: float("nan"))
    assert interval(never, one_each(3)) is None


def test_a_score_that_is_computed_again_needs_no_values():
    values = np.array([0.5, float("nan"), 1.0])
    found = interval(Scores(score=0.75, values=values, resampled=lambda drawn: float(len(set(drawn)))), one_each(3))
    assert found == (1, 3)
