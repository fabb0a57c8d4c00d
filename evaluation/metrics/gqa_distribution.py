"""How far the distribution of a model's answers to GQA is from that of the right ones."""

from collections import Counter, defaultdict
from collections.abc import Sequence


def distribution(pairs: Sequence[tuple[str, str]], groups: Sequence[str | None]) -> float:
    """Chi-square of predicted against gold counts of the gold answers, per group; lower is better, 0 is best.

    `pairs` are prediction and gold. The mean over groups weighs each by its questions, and is divided by 100. Questions
    without a group are left out; nan if all are.
    """
    golds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (prediction, gold), group in zip(pairs, groups, strict=True):
        if group:
            golds[group][gold] += 1
            found[group][prediction] += 1
    weighed = [
        counts.total() * sum((found[group][answer] - expected) ** 2 / expected for answer, expected in counts.items())
        for group, counts in golds.items()
    ]
    num_questions = sum(counts.total() for counts in golds.values())
    return sum(weighed) / num_questions / 100 if num_questions else float("nan")
