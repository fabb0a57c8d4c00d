"""A keyed bijection on [0, N), without a table: the order in which an epoch reads a dataset.

A Feistel network over ceil(log2 N) bits (halves may differ by one bit), with the 64-bit finaliser of splitmix64 as
round function. Values at or above N walk the cycle until they fall below it: fewer than 2 passes on average, because
2**bits < 2N. A multiply-add as round function does not mix downwards, and NumPy does not promise the same shuffles
across versions. Changing anything here changes every order; the tests pin values.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

UInt64s = NDArray[np.uint64]
Int64s = NDArray[np.int64]

# Over 40,000 keys and the orders of 5 items, chi-square is 92 times its expected value after 6 rounds, 4.0 times after
# 12, 1.0 times after 24. The places of the first two of 40 items are uniform after six, at 0.04 microseconds per index.
# Both numbers are even, so that unequal halves end up in their original places.
_ROUNDS, _ROUNDS_OF_FEW, _FEW_BITS = 6, 24, 6
_MASK = 2**64 - 1
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mix(value: int) -> int:
    """The finaliser of splitmix64: a bijection on 64-bit integers in which each bit depends on all."""
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def mix_array(values: UInt64s) -> UInt64s:
    """`mix` of each element of an array of at least one dimension."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_FIRST)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_SECOND)
    return values ^ (values >> np.uint64(31))


def subkey(key: int, counter: int) -> int:
    """The 64-bit key number `counter` (0 to 2**63) under a 64-bit key."""
    return mix(key ^ mix((counter + _GOLDEN) & _MASK))


def subkeys(key: int | UInt64s, counters: Int64s) -> UInt64s:
    """`subkey` of each counter, or of each key and counter; uint64 of their broadcast shape (1-D or more)."""
    return mix_array(np.asarray(key, dtype=np.uint64) ^ mix_array(counters.astype(np.uint64) + np.uint64(_GOLDEN)))


def permute(index: int, size: int, key: int) -> int:
    """The image of `index` under the permutation of [0, size) for a 64-bit key; 4 microseconds, 15 below 65."""
    if not 0 <= index < size:
        raise ValueError(f"index {index} is outside [0, {size})")
    bits = (size - 1).bit_length()
    round_keys = _round_keys(key, bits)
    while True:
        left_bits, right_bits = bits // 2, bits - bits // 2
        left, right = index >> right_bits, index & ((1 << right_bits) - 1)
        for round_key in round_keys:
            left, right = right, left ^ (mix(right ^ round_key) & ((1 << left_bits) - 1))
            left_bits, right_bits = right_bits, left_bits
        index = (left << right_bits) | right
        if index < size:
            return index


def unpermute(place: int, size: int, key: int) -> int:
    """The index that `permute` sends to `place`, at the same cost."""
    if not 0 <= place < size:
        raise ValueError(f"place {place} is outside [0, {size})")
    bits = (size - 1).bit_length()
    round_keys = _round_keys(key, bits)[::-1]
    while True:
        left_bits, right_bits = bits // 2, bits - bits // 2
        left, right = place >> right_bits, place & ((1 << right_bits) - 1)
        for round_key in round_keys:
            left, right = right ^ (mix(left ^ round_key) & ((1 << right_bits) - 1)), left
            left_bits, right_bits = right_bits, left_bits
        place = (left << right_bits) | right
        if place < size:
            return place


def permute_array(indices: Int64s, size: int, keys: UInt64s) -> Int64s:
    """`permute` of each index; int64. `keys` (uint64) has one element or a shape that broadcasts with `indices`.

    0.04 microseconds per index for one key. All `indices` must be in [0, size); this is not checked.
    """
    return _walk(_feistel, indices, size, keys)


def unpermute_array(places: Int64s, size: int, keys: UInt64s) -> Int64s:
    """`unpermute` of each place; shapes, limits and cost as for `permute_array`."""
    return _walk(_feistel_back, places, size, keys)


def chosen_numbers(count: int, wanted: int, key: int) -> tuple[int, ...]:
    """`wanted` of the numbers in [0, count) by a 64-bit key, ascending; all if there are fewer.

    A larger choice includes the numbers of a smaller one.
    """
    places = np.arange(min(wanted, count), dtype=np.int64)
    return tuple(sorted(permute_array(places, count, np.array([key], dtype=np.uint64)).tolist()))


def _walk(step: Callable[[UInt64s, int, UInt64s], UInt64s], start: Int64s, size: int, keys: UInt64s) -> Int64s:
    """`step` of each value, repeated while it is outside [0, size)."""
    if size == 1:
        return np.zeros(start.shape, dtype=np.int64)
    bits = (size - 1).bit_length()
    values = step(start.astype(np.uint64), bits, keys)
    while (outside := values >= np.uint64(size)).any():
        some = keys.reshape(1) if keys.size == 1 else np.broadcast_to(keys, values.shape)[outside]
        values[outside] = step(values[outside], bits, some)
    return values.astype(np.int64)


def _feistel(values: UInt64s, bits: int, keys: UInt64s) -> UInt64s:
    left_bits, right_bits = bits // 2, bits - bits // 2
    left, right = values >> np.uint64(right_bits), values & np.uint64((1 << right_bits) - 1)
    for i in range(_rounds(bits)):
        round_keys = mix_array(keys + np.uint64((i + 1) * _GOLDEN & _MASK))
        left, right = right, left ^ (mix_array(right ^ round_keys) & np.uint64((1 << left_bits) - 1))
        left_bits, right_bits = right_bits, left_bits
    return (left << np.uint64(right_bits)) | right


def _feistel_back(values: UInt64s, bits: int, keys: UInt64s) -> UInt64s:
    left_bits, right_bits = bits // 2, bits - bits // 2
    left, right = values >> np.uint64(right_bits), values & np.uint64((1 << right_bits) - 1)
    for i in reversed(range(_rounds(bits))):
        round_keys = mix_array(keys + np.uint64((i + 1) * _GOLDEN & _MASK))
        left, right = right ^ (mix_array(left ^ round_keys) & np.uint64((1 << right_bits) - 1)), left
        left_bits, right_bits = right_bits, left_bits
    return (left << np.uint64(right_bits)) | right


def _round_keys(key: int, bits: int) -> list[int]:
    return [mix((key + (i + 1) * _GOLDEN) & _MASK) for i in range(_rounds(bits))]


def _rounds(bits: int) -> int:
    return _ROUNDS if bits > _FEW_BITS else _ROUNDS_OF_FEW
