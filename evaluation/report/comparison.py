"""Two reports side by side: datasets, scores, a paired test, and the examples where they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.scores import Floats
from ib_data.evaluation.report.paired import Paired, paired
from ib_data.evaluation.report.reading import Dataset, Example, ReadReport, read_report
from ib_data.evaluation.scoring.metrics import LOSSES

_ROUNDING = 1e-9
_MUST_AGREE = {"split": "split", "source_name": "split of the source", "metric": "metric", "profile": "profile"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An example whose values or answers differ."""

    id: str
    key: str
    prompt: str
    gold: tuple[str, ...]
    answer_a: str
    answer_b: str
    value_a: float | None
    value_b: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A dataset in both reports. `differing` are the examples that differ, those whose values differ most first."""

    name: str
    split: str
    metric: str
    profile: str
    score_a: float | None
    score_b: float | None
    num_compared: int
    paired: Paired
    notes: Sequence[str]
    differing: Sequence[Difference]

    @property
    def difference(self) -> float | None:
        """B minus A."""
        return None if self.score_a is None or self.score_b is None else self.score_b - self.score_a


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two reports; `problems` says of datasets in both why they cannot be compared, `notes` what holds for all."""

    a: Path
    b: Path
    datasets: Sequence[Compared]
    only_a: Sequence[str]
    only_b: Sequence[str]
    problems: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def to_plain(self, num_examples: int) -> dict[str, Any]:
        """The comparison in the types of JSON, with at most `num_examples` examples of each dataset."""
        return {
            "a": str(self.a),
            "b": str(self.b),
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "problems": dict(self.problems),
            "notes": list(self.notes),
            "datasets": {one.name: _plain(one, num_examples) for one in self.datasets},
        }


def _plain(one: Compared, num_examples: int) -> dict[str, Any]:
    found = asdict(one.paired)
    return {
        "metric": one.metric,
        "profile": one.profile,
        "score_a": one.score_a,
        "score_b": one.score_b,
        "difference": one.difference,
        **{key: list(value) if isinstance(value, tuple) else value for key, value in found.items()},
        "num_compared": one.num_compared,
        "notes": list(one.notes),
        "num_differing": len(one.differing),
        "examples": [{**asdict(example), "gold": list(example.gold)} for example in one.differing[:num_examples]],
    }


def compare(a: Path, b: Path) -> Comparison:
    """Compare the report at `b` with the one at `a`, the baseline.

    Datasets that cannot be compared are in `problems`. Raises what `read_report` raises, and IbDataError if no dataset
    is in both.
    """
    of_a, of_b = read_report(a), read_report(b)
    common = [name for name in of_a.datasets if name in of_b.datasets]
    if not common:
        held = [", ".join(report.datasets) or "none" for report in (of_a, of_b)]
        raise IbDataError(f"no dataset is in both reports: {a} has {held[0]}; {b} has {held[1]}")
    datasets, problems = [], {}
    for name in common:
        try:
            datasets.append(compared(of_a, of_b, name))
        except IbDataError as error:
            problems[name] = str(error)
    return Comparison(
        a=a,
        b=b,
        datasets=datasets,
        only_a=[name for name in of_a.datasets if name not in of_b.datasets],
        only_b=[name for name in of_b.datasets if name not in of_a.datasets],
        problems=problems,
        notes=_report_notes(of_a, of_b),
    )


def _report_notes(a: ReadReport, b: ReadReport) -> list[str]:
    return ["A and B are the same report"] if a.folder.resolve() == b.folder.resolve() else []


def compared(of_a: ReadReport, of_b: ReadReport, name: str) -> Compared:
    """One dataset of both reports. Raises IbDataError, in which what differs, if it cannot be compared."""
    a, b = of_a.datasets[name], of_b.datasets[name]
    check_comparable(a, b)
    examples_a, examples_b = of_a.examples(name), of_b.examples(name)
    pairs = [(examples_a[id_], examples_b[id_]) for id_ in examples_a if id_ in examples_b]
    if not pairs:
        raise IbDataError(f"{name}: no example is in both reports; were different parts evaluated?")
    numbers = [(one, other) for one, other in pairs if one.value is not None and other.value is not None]
    values_a, values_b = (np.array([pair[side].value for pair in numbers], dtype=np.float64) for side in (0, 1))
    notes = [*_setting_notes(a, b), *_example_notes(examples_a, examples_b, pairs, len(numbers))]
    is_whole = len(pairs) == len(examples_a) == len(examples_b)
    scores, note = _scores((a, b), (examples_a, examples_b), (values_a, values_b), is_whole)
    differing = _differing(pairs)
    return Compared(
        name=name,
        split=a.split,
        metric=a.metric,
        profile=a.profile,
        score_a=scores[0],
        score_b=scores[1],
        num_compared=len(numbers),
        paired=paired(values_a, values_b, [one.image for one, _ in numbers], is_loss=a.metric in LOSSES),
        notes=[*notes, *note, *([] if differing else ["all answers and values are the same in A and B"])],
        differing=differing,
    )


def check_comparable(a: Dataset, b: Dataset) -> None:
    """Raise IbDataError if split, metric or profile differ, or one is a part: such scores measure different things."""
    for key, what in _MUST_AGREE.items():
        of_a, of_b = getattr(a, key), getattr(b, key)
        if of_a != of_b:
            found = f"{of_a or 'none'} in A, {of_b or 'none'} in B"
            raise IbDataError(f"{a.name}: another {what}: {found}; evaluate both in the same way")
    if a.is_part != b.is_part:
        part, whole = (a, b) if a.is_part else (b, a)
        side = "A" if a.is_part else "B"
        sizes = f"{side} is a part of {part.num_cases:,} cases, the other one the whole of {whole.num_cases:,}"
        raise IbDataError(f"{a.name}: {sizes}; evaluate the same -n for both")


def _setting_notes(a: Dataset, b: Dataset) -> list[str]:
    names = [key.replace("_", " ") for key in a.settings if a.settings[key] != b.settings[key]]
    return [f"differs between A and B: {', '.join(names)}"] if names else []


def _example_notes(
    a: Mapping[str, Example], b: Mapping[str, Example], pairs: Sequence[tuple[Example, Example]], num_numbers: int
) -> list[str]:
    notes = []
    if len(a) > len(pairs) or len(b) > len(pairs):
        alone = f"{len(a) - len(pairs):,} examples are only in A, {len(b) - len(pairs):,} only in B"
        notes.append(f"{alone}; compared are the {len(pairs):,} in both")
    if num := sum(one.gold != other.gold for one, other in pairs):
        notes.append(f"{num:,} examples have other gold answers in B: the data differ")
    if num := len(pairs) - num_numbers:
        notes.append(f"{num:,} examples without a value are left out of the test")
    return notes


def _scores(
    sides: tuple[Dataset, Dataset],
    examples: tuple[Mapping[str, Example], Mapping[str, Example]],
    values: tuple[Floats, Floats],
    is_whole: bool,
) -> tuple[tuple[float | None, float | None], list[str]]:
    """The scores of A and B: those of the reports, or the means of the compared values if only some are compared."""
    are_means = all(_is_mean(side, of_side) for side, of_side in zip(sides, examples, strict=True))
    reported = (sides[0].score, sides[1].score)
    if are_means and not is_whole and len(values[0]):
        return (float(values[0].mean()), float(values[1].mean())), []
    if are_means:
        return reported, []
    note = "the score is no mean over examples: test, interval and counts are of the examples' values"
    return reported, [note if is_whole else f"{note}, and the scores are those of all examples of each report"]


def _is_mean(side: Dataset, examples: Mapping[str, Example]) -> bool:
    values = [example.value for example in examples.values() if example.value is not None]
    if side.score is None or len(values) < len(examples) or not values:
        return False
    return abs(float(np.mean(values)) - side.score) <= _ROUNDING


def _differing(pairs: Sequence[tuple[Example, Example]]) -> list[Difference]:
    """The pairs whose values or answers differ, those whose values differ most first, else in the order of A."""

    def apart(pair: tuple[Example, Example]) -> float:
        return abs((pair[0].value or 0.0) - (pair[1].value or 0.0))

    found = [pair for pair in pairs if pair[0].value != pair[1].value or pair[0].answer != pair[1].answer]
    return [
        Difference(
            id=one.id,
            key=one.key,
            prompt=one.prompt,
            gold=one.gold,
            answer_a=_said(one),
            answer_b=_said(other),
            value_a=one.value,
            value_b=other.value,
        )
        for one, other in sorted(found, key=lambda pair: -apart(pair))
    ]


def _said(example: Example) -> str:
    return f"(failed: {example.error})" if example.error else example.answer
