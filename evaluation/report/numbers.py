"""How the numbers of an evaluation are shown: shares times 100, as papers print them, and all others as they are."""

from collections.abc import Mapping
from typing import Any

from ib_data.console import table
from ib_data.evaluation.scoring.metrics import LOSSES

# Of what is measured besides a score: counts, mean ranks and chi-squares are no shares.
_AS_THEY_ARE = ("images", "consistency questions", "ndcg cases", "mean rank", "distribution")
_LOWER_IS_BETTER = ("mean rank", "distribution")
# Lengths and counts of n-grams, from which BLEU is computed: the JSON alone has them.
_LEFT_OUT = ("testlen", "reflen", "correct-1", "correct-2", "correct-3", "correct-4")


def shown(metric: str, value: float | None, digits: int = 1) -> str:
    """A score times 100; a loss as it is, with two digits more. A dash for None."""
    if value is None:
        return "-"
    return f"{value:.{digits + 2}f}" if metric in LOSSES else f"{100 * value:.{digits}f}"


def signed(metric: str, value: float | None, digits: int = 1) -> str:
    """A difference of two scores, as `shown`, with its sign."""
    text = shown(metric, value, digits)
    return text if value is None or text.startswith("-") else f"+{text}"


def shown_also(metric: str, also: Mapping[str, float | None]) -> list[tuple[str, str]]:
    """What was measured besides the score, as pairs of a name and a number in the unit of the score.

    Every value of a metric's `also` is a share and is shown times 100, except: counts, mean ranks and distances, which
    are shown as they are; the scores by other profiles of a loss, which are losses; what is left out here and stays in
    the JSON. A name says if lower is better.
    """
    pairs = []
    for name, value in also.items():
        if name in _LEFT_OUT:
            continue
        title = f"{name} (lower is better)" if name in _LOWER_IS_BETTER else name
        as_it_is = name in _AS_THEY_ARE
        pairs.append((title, _plain(value) if as_it_is else shown(metric, value, 2)))
    return pairs


def also_lines(metric: str, also: Mapping[str, float | None]) -> list[str]:
    """`shown_also` for the terminal, a line each."""
    return [f"  {name}: {text}" for name, text in shown_also(metric, also)]


def score_lines(metric: str, profile: str, score: float, also: Mapping[str, float | None], count: int) -> list[str]:
    """A small table of a score over `count` ids of plain files, and lines of what was measured besides."""
    name = f"{metric} ({profile})" if profile else metric
    return [table(("metric", "score", "ids"), [(name, shown(metric, score, 2), count)]), *also_lines(metric, also)]


def ordered(groups: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The groups of a breakdown, the largest first; in the order of their names if these are all whole numbers."""
    are_numbers = all(name.isdecimal() for name in groups)
    return sorted(groups.items(), key=lambda item: (int(item[0]) if are_numbers else -item[1]["count"], item[0]))


def _plain(value: float | None) -> str:
    """A count with separators, another number with two digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
