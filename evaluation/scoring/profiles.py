"""The variants that metrics have, by name; the first one is the default."""

from ib_data.evaluation.metrics import accuracy, vqa_text

_PROFILES = {"accuracy": accuracy.PROFILES, "gqa-accuracy": accuracy.PROFILES, "vqa-accuracy": vqa_text.PROFILES}


def profiles_of(metric: str) -> tuple[str, ...]:
    """The profiles of a metric; empty if it has none."""
    return _PROFILES.get(metric, ())
