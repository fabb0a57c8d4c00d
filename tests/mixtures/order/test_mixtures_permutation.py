"""The keyed bijection: every value once, scalar equals vectorised, pinned values, and random enough."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.mixtures.order.permutation import (
    mix,
    mix_array,
    permute,
    permute_array,
    subkey,
    subkeys,
    unpermute,
    unpermute_array,
)

KEY = 0x0123456789ABCDEF


def one_key(key: int) -> np.ndarray:
    return np.array([key], dtype=np.uint64)


def whole(size: int, key: int) -> np.ndarray:
    return permute_array(np.arange(size), size, one_key(key))


def test_a_bijection_for_every_size_to_2000() -> None:
    for size in range(1, 2001):
        assert np.array_equal(np.sort(whole(size, size)), np.arange(size)), size


@settings(max_examples=12, deadline=None)
@given(st.integers(2001, 300_000), st.integers(0, 2**64 - 1))
def test_a_bijection_for_larger_sizes_and_any_key(size: int, key: int) -> None:
    assert np.bincount(whole(size, key), minlength=size).max() == 1


@given(st.integers(1, 2**50), st.integers(0, 2**64 - 1), st.data())
def test_scalar_and_vectorised_agree_and_stay_inside(size: int, key: int, data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=5))
    scalar = [permute(i, size, key) for i in indices]
    assert permute_array(np.array(indices), size, one_key(key)).tolist() == scalar
    assert all(0 <= value < size for value in scalar)


@given(st.integers(1, 2**50), st.integers(0, 2**64 - 1), st.data())
def test_unpermute_undoes_permute_in_both_forms(size: int, key: int, data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=5))
    places = [permute(i, size, key) for i in indices]
    assert [unpermute(place, size, key) for place in places] == indices
    assert unpermute_array(np.array(places), size, one_key(key)).tolist() == indices


def test_unpermute_undoes_every_place_of_small_sizes() -> None:
    for size in range(1, 200):
        assert np.array_equal(unpermute_array(whole(size, KEY), size, one_key(KEY)), np.arange(size)), size


def test_a_key_for_each_index_is_as_one_key_at_a_time() -> None:
    keys = subkeys(KEY, np.arange(300))
    indices = np.arange(300) % 7
    together = permute_array(indices, 7, keys)
    assert together.tolist() == [permute(int(i), 7, subkey(KEY, e)) for e, i in enumerate(indices)]
    square = permute_array(indices.reshape(30, 10), 7, keys[:30, None])
    assert square[3].tolist() == [permute(int(i), 7, int(keys[3])) for i in indices[30:40]]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**62))
def test_mixer_and_keys_agree_in_both_forms(value: int, counter: int) -> None:
    assert int(mix_array(one_key(value))[0]) == mix(value)
    assert int(subkeys(value, np.array([counter]))[0]) == subkey(value, counter)


def test_golden_values() -> None:
    assert mix(1) == 6238072747940578789
    assert subkey(KEY, 5) == 17956629825730860536
    assert whole(10, KEY).tolist() == [8, 5, 3, 6, 2, 7, 9, 0, 1, 4]
    assert [permute(i, 443_757, KEY) for i in (0, 1, 2, 443_756)] == [308066, 294957, 341470, 259949]
    assert [permute(i, 10**15, KEY) for i in (0, 10**15 - 1)] == [788605037457884, 972486932790332]


@pytest.mark.parametrize(("size", "limit"), [(3, 28), (4, 60), (5, 190)])
def test_all_orders_of_few_come_about_equally_often(size: int, limit: float) -> None:
    keys = subkeys(KEY, np.arange(12_000))[:, None]
    orders = permute_array(np.broadcast_to(np.arange(size), (12_000, size)), size, keys)
    found = Counter(map(tuple, orders.tolist()))
    expected = 12_000 / math.factorial(size)
    assert len(found) == math.factorial(size)
    # chi-square: with 5, 23 and 119 degrees a fair shuffle passes the limit less than once in 30,000 keys
    assert sum((n - expected) ** 2 / expected for n in found.values()) < limit


@pytest.mark.parametrize("size", [300, 9_009, 443_757])
def test_neighbours_and_epochs_are_unrelated(size: int) -> None:
    first, second = whole(size, subkey(KEY, 0)), whole(size, subkey(KEY, 1))
    limit = 5 / np.sqrt(size)
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < limit
    assert abs(np.corrcoef(first, second)[0, 1]) < limit
    assert (first == second).sum() < 12  # a random pair of orders agrees in 1 place on average
    cells = np.bincount(first[:-1] * 8 // size * 8 + first[1:] * 8 // size, minlength=64)
    expected = (size - 1) / 64
    assert ((cells - expected) ** 2 / expected).sum() < 130  # chi-square, 63 degrees


def test_an_index_outside_is_refused() -> None:
    for function in (permute, unpermute):
        with pytest.raises(ValueError, match="outside"):
            function(5, 5, KEY)
