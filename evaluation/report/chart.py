"""A score with its interval among the published ones, as positions on a line."""

from collections.abc import Mapping
from typing import Any

WIDTH = 1000
# The narrowest interval that can be seen.
_LEAST = 6


def chart(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Positions from 0 to WIDTH for a dataset's score, interval and published zero-shot scores; None without a score.

    The line ends at 100, or at the largest number on it (CIDEr has no upper end).
    """
    score = found["score"]
    if score is None:
        return None
    low, high = found["interval"] or (score, score)
    others = {one["model"]: one["value"] for one in found["published"] if one["table"] == "zero-shot"}
    longest = max(1.0, high, score, *others.values())

    def place(value: float) -> float:
        at: float = WIDTH * min(max(value, 0.0), longest) / longest
        return round(at, 1)

    width = max(place(high) - place(low), _LEAST)
    return {
        "width": WIDTH,
        "end": round(100 * longest),
        "score": place(score),
        "low": min(place(low), WIDTH - width),
        "span": round(width, 1),
        "others": [{"model": model, "at": place(value)} for model, value in others.items()],
    }
