"""The variants that metrics have, by name; the first one is the default."""

from ib_data.evaluation.metrics import accuracy, vqa_text

_OF_TEXTS = accuracy.PROFILES
_PROFILES = {
    "accuracy": _OF_TEXTS,
    "gqa-accuracy": _OF_TEXTS,
    "ivqa-accuracy": _OF_TEXTS,
    "vqa-accuracy": vqa_text.PROFILES,
}


def profiles_of(metric: str) -> tuple[str, ...]:
    """The profiles of a metric; empty if it has none."""
    return _PROFILES.get(metric, ())
