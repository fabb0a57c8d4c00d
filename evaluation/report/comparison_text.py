"""A comparison for the terminal. Scores are times 100, losses as they are."""

from ib_data.console import printable, table
from ib_data.evaluation.report.comparison import Compared, Comparison, Difference
from ib_data.evaluation.scoring.metrics import LOSSES

_LONGEST = 60  # characters of an answer


def comparison_text(comparison: Comparison, num_examples: int) -> str:
    """The scores as a table, then notes, datasets in one report only, and at most `num_examples` examples of each."""
    parts = [f"A is {printable(str(comparison.a))}, B is {printable(str(comparison.b))}"]
    if comparison.datasets:
        columns = ["dataset", "metric", "A", "B", "B - A", "95 % interval", "p", "better", "worse", "equal", "test"]
        parts.append(table(columns, [_row(one) for one in comparison.datasets]))
    notes = list(comparison.notes)
    notes += [f"{one.name}: {note}" for one in comparison.datasets for note in _notes(one)]
    for side, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        notes += [f"only in {side}: {', '.join(map(printable, names))}"] if names else []
    if notes:
        parts.append("\n".join(notes))
    parts += [_examples(one, num_examples) for one in comparison.datasets if one.differing and num_examples]
    return "\n\n".join(parts)


def _row(one: Compared) -> list[object]:
    found = one.paired
    metric = f"{one.metric} ({one.profile})" if one.profile else one.metric
    scores = [_shown(one.metric, score) for score in (one.score_a, one.score_b, one.difference)]
    ends = " to ".join(f"{_shown(one.metric, end):+g}" for end in found.interval or ()) or "-"
    counts = [found.num_better, found.num_worse, found.num_equal]
    return [printable(one.name), printable(metric), *scores, ends, found.p_value, *counts, found.test]


def _shown(metric: str, value: float | None) -> float | None:
    if value is None:
        return None
    return round(value, 4) if metric in LOSSES else round(100 * value, 2)


def _notes(one: Compared) -> list[str]:
    over_images = one.paired.p_over_images
    if over_images is None:
        return list(one.notes)
    return [*one.notes, f"examples share images; the permutation test over images gives p = {over_images:.4g}"]


def _examples(one: Compared, num_examples: int) -> str:
    shown = one.differing[:num_examples]
    rows = [_example_row(one.metric, example) for example in shown]
    head = f"{printable(one.name)}: {len(shown):,} of {len(one.differing):,} examples that differ"
    return f"{head}\n{table(['id', 'gold', 'answer of A', 'answer of B', 'A', 'B'], rows)}"


def _example_row(metric: str, example: Difference) -> list[object]:
    texts = (", ".join(example.gold), example.answer_a, example.answer_b)
    values = [_shown(metric, value) for value in (example.value_a, example.value_b)]
    return [printable(example.id), *map(_short, texts), *values]


def _short(text: str) -> str:
    found = printable(text)
    return found if len(found) <= _LONGEST else f"{found[: _LONGEST - 3]}..."
