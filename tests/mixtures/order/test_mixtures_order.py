"""Block shuffle: every row once, few blocks at a time, scalar equals vectorised, pinned values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.mixtures.order.block_shuffle import BlockShuffle, local_order, local_order_array
from ib_data.mixtures.order.permutation import subkeys

KEY = 0x0123456789ABCDEF
SHAPES = [BlockShuffle(1, 1), BlockShuffle(3, 2), BlockShuffle(16, 8), BlockShuffle(64, 5), BlockShuffle()]
localities = st.builds(BlockShuffle, st.integers(1, 300), st.integers(1, 600))
keys = st.integers(0, 2**64 - 1)


def one_key(key: int) -> np.ndarray:
    return np.array([key], dtype=np.uint64)


def whole(size: int, key: int, locality: BlockShuffle) -> np.ndarray:
    return local_order_array(np.arange(size), size, one_key(key), locality)


def test_a_bijection_for_every_size_to_2000() -> None:
    for size in range(1, 2001):
        # All shapes for small sizes, where most of the odd cases are; one in turn above.
        for locality in SHAPES if size <= 80 else [SHAPES[size % len(SHAPES)]]:
            assert np.array_equal(np.sort(whole(size, size, locality)), np.arange(size)), (size, locality)


@settings(max_examples=20, deadline=None)
@given(st.integers(2001, 300_000), keys, localities)
def test_a_bijection_for_larger_sizes_and_any_key(size: int, key: int, locality: BlockShuffle) -> None:
    assert np.bincount(whole(size, key, locality), minlength=size).max() == 1


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 2**50), keys, localities, st.data())
def test_scalar_and_vectorised_agree_and_stay_inside(
    size: int, key: int, locality: BlockShuffle, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=5))
    scalar = [local_order(place, size, key, locality) for place in places]
    assert local_order_array(np.array(places), size, one_key(key), locality).tolist() == scalar
    assert all(0 <= row < size for row in scalar)


def test_a_key_for_each_place_is_as_one_key_at_a_time() -> None:
    locality, epochs = BlockShuffle(4, 3), subkeys(KEY, np.arange(400) // 50)
    places = np.arange(400) % 50
    together = local_order_array(places, 50, epochs, locality)
    assert together.tolist() == [local_order(int(p), 50, int(k), locality) for p, k in zip(places, epochs, strict=True)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20_000), keys, st.builds(BlockShuffle, st.integers(1, 64), st.integers(1, 40)))
def test_a_window_touches_no_more_blocks_than_it_may(size: int, key: int, locality: BlockShuffle) -> None:
    blocks = whole(size, key, locality) // locality.block_rows
    seen: dict[int, list[int]] = {}
    for place, block in enumerate(blocks.tolist()):
        seen.setdefault(block, []).append(place)
    # Each block is visited within one window: the visits of a block span no more places than a window has.
    rows_of_window = locality.block_rows * locality.window_blocks
    assert max(places[-1] - places[0] for places in seen.values()) < rows_of_window
    for first in range(0, size - rows_of_window + 1, rows_of_window):
        assert len(set(blocks[first : first + rows_of_window].tolist())) <= 2 * locality.window_blocks


def test_one_window_touches_exactly_its_blocks_whole() -> None:
    locality = BlockShuffle(16, 8)
    rows = whole(16 * 8 * 5, KEY, locality).reshape(5, 128)  # five whole windows, no short block
    for window in rows:
        blocks = np.unique(window // 16)
        assert len(blocks) == 8
        assert sorted(window.tolist()) == [int(b) * 16 + i for b in blocks for i in range(16)]
        assert np.abs(np.diff(blocks)).max() > 1  # blocks of a window come from all over the dataset
    assert not np.array_equal(np.sort(rows, axis=1), rows)


def test_the_short_last_block_stands_anywhere() -> None:
    locality, size = BlockShuffle(10, 2), 10 * 20 + 3  # 21 blocks in 11 windows
    of_key = subkeys(KEY, np.arange(150))
    places = [int(np.argmax(whole(size, int(key), locality) >= 200)) // 20 for key in of_key]
    assert set(places) == set(range(11))


def test_epochs_differ_in_blocks_and_in_rows() -> None:
    locality = BlockShuffle(16, 8)
    first, second = (whole(5_000, int(key), locality) for key in subkeys(KEY, np.arange(2)))
    assert (first == second).sum() < 12
    assert set((first[:128] // 16).tolist()) != set((second[:128] // 16).tolist())


def test_one_window_over_everything_mixes_like_the_full_order() -> None:
    rows = whole(9_009, KEY, BlockShuffle())
    assert abs(np.corrcoef(rows[:-1], rows[1:])[0, 1]) < 5 / np.sqrt(9_009)


def test_golden_values() -> None:
    """A change of any of these is a change of every local order: raise schedule.ALGORITHM with it."""
    assert whole(10, KEY, BlockShuffle(3, 2)).tolist() == [1, 8, 6, 2, 7, 0, 4, 3, 5, 9]
    assert [local_order(i, 443_757, KEY, BlockShuffle()) for i in (0, 1, 131_072, 443_756)] == [
        366463, 84623, 227538, 250352,
    ]  # fmt: skip
    far = [local_order(i, 10**15, KEY, BlockShuffle(64, 64)) for i in (0, 10**15 - 1)]
    assert far == [591280830034309, 598956481593185]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="from 1"):
        BlockShuffle(0, 5)
    with pytest.raises(ValueError, match="from 1"):
        BlockShuffle(5, -1)
    with pytest.raises(ValueError, match="outside"):
        local_order(5, 5, KEY, BlockShuffle())
