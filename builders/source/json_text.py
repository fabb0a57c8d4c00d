"""Strict JSON reading: nothing in a file is lost silently."""

import json
import re
from typing import Any

_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
_FIRST_BYTE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(\S)")


class KeyTwiceError(ValueError):
    """A key that occurs twice in one object. `place`: path of the object, such as `annotations[3]`; "" is the top."""

    def __init__(self, key: str, place: str) -> None:
        super().__init__(f"the key {key!r} occurs twice in {place or 'the outermost object'}")
        self.key, self.place = key, place


class _TwiceError(ValueError):
    """A key occurs twice; its place is not known yet."""


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as a list of keys and values."""


def loads(data: bytes) -> Any:
    """The JSON value in `data`. Half a surrogate pair, which cannot be encoded, becomes U+FFFD.

    Raises KeyTwiceError for a key that occurs twice in an object (Python's reader silently keeps the last), ValueError
    for invalid JSON, and RecursionError for too deep nesting.
    """
    text = data.decode(json.detect_encoding(data), "surrogatepass")
    try:
        value = _DECODER.decode(text)
    except _TwiceError:
        raise _twice(text) from None
    return _whole(value) if _HALF_PAIR.search(data) else value


def starts_with(data: bytes, character: bytes) -> bool:
    """Whether the first non-blank character is this one."""
    found = _FIRST_BYTE.match(data)
    return found is not None and found[1] == character


def is_lines(data: bytes) -> bool:
    """Whether this is JSON Lines: a complete object on the first line, and another after it."""
    first = _FIRST_BYTE.match(data)
    if first is None or first[1] != b"{" or (end := data.find(b"\n", first.end())) < 0:
        return False
    if (second := _FIRST_BYTE.match(data, end)) is None or second[1] != b"{":
        return False
    try:
        return isinstance(loads(data[:end]), dict)
    except (ValueError, RecursionError):
        return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _TwiceError
    return value


# Created once: `json.loads` creates one per call, 4 us per line. The hook costs about 1 us per object.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _twice(text: str) -> KeyTwiceError:
    """The error for the first duplicate key in `text`. Parses again, since the decoder does not report places."""
    waiting: list[tuple[str, Any]] = [("", json.loads(text, object_pairs_hook=_Pairs))]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, _Pairs):
            seen: set[str] = set()
            for key, _ in value:
                if key in seen:
                    return KeyTwiceError(key, place)
                seen.add(key)
            inner = [(f"{place}.{key}" if place else key, item) for key, item in value]
        elif isinstance(value, list):
            inner = [(f"{place}[{i}]", item) for i, item in enumerate(value)]
        else:
            continue
        waiting += reversed(inner)
    raise AssertionError("the decoder has seen a key twice")


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return {_whole(key): _whole(item) for key, item in value.items()} if isinstance(value, dict) else value
