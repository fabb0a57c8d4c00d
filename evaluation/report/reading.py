"""Reading a report and its examples back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ib_data.errors import IbDataError, WrongUsageError, quoted
from ib_data.evaluation.report.report import FORMAT, VERSION
from ib_data.evaluation.report.writing import EXAMPLES, REPORT
from ib_data.strict import Table

_AGAIN = "evaluate again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A line of `examples.jsonl`; `value` is None if the metric gave no number."""

    id: str
    key: str
    image: str
    prompt: str
    value: float | None
    answer: str
    gold: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What a comparison needs of a dataset's report."""

    name: str
    score: float | None
    metric: str
    profile: str
    split: str
    source_name: str
    num_cases: int
    is_part: bool
    # What may differ between two reports that are compared: prompt, method, decoding, ranking, shuffled images.
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReadReport:
    """A report in `folder`."""

    folder: Path
    datasets: Mapping[str, Dataset]

    def examples(self, name: str) -> dict[str, Example]:
        """The examples of a dataset by id, in order. Raises IbDataError if the file is absent, damaged or another's."""
        file = self.folder / name / EXAMPLES
        try:
            lines = file.read_bytes().splitlines()
        except FileNotFoundError:
            raise IbDataError(f"{file}: is missing; copy the whole folder of the report, or {_AGAIN}") from None
        found: dict[str, Example] = {}
        for number, line in enumerate(lines, 1):
            example = _example(_json(line, f"{file}: line {number}"), file, number)
            if example.id in found:
                raise IbDataError(f"{file}: line {number}: id {quoted(example.id)} is there twice; {_AGAIN}")
            found[example.id] = example
        expected = self.datasets[name].num_cases
        if len(found) != expected:
            raise IbDataError(f"{file}: expected {expected:,} lines as {REPORT} says, found {len(found):,}; {_AGAIN}")
        return found


def read_report(path: Path) -> ReadReport:
    """The report at `path`, a folder that holds a `report.json` or such a file.

    Raises WrongUsageError if there is no such path, and IbDataError for a file that is no report, or one of another
    version.
    """
    file = path / REPORT if path.is_dir() else path
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        what = f"a folder without {REPORT}" if path.is_dir() else "no such file or folder"
        raise WrongUsageError(f"{path}: {what}; name a folder that `ib-data evaluate` wrote, or its {REPORT}") from None
    value = _json(data, str(file))
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise IbDataError(f"{file}: is not a report; name a folder that `ib-data evaluate` wrote, or its {REPORT}")
    if value.get("version") != VERSION:
        found = f"found a report of version {quoted(value.get('version'))}, expected version {VERSION}"
        raise IbDataError(f"{file}: {found}; {_AGAIN} with this version of ib-data")
    datasets = Table.of(value, str(file.parent), file.name, remedy=_AGAIN).table("datasets")
    return ReadReport(file.parent, {name: _dataset(name, datasets.table(name)) for name in datasets.values})


def _dataset(name: str, table: Table) -> Dataset:
    counts = table.table("counts")
    return Dataset(
        name=name,
        score=None if table.values.get("score") is None else table.get("score", float),
        metric=table.get("metric", str),
        profile=table.get("profile", str),
        split=table.get("split", str),
        source_name=table.get("source_name", str),
        num_cases=counts.get("cases", int),
        is_part=counts.get("is_part", bool),
        settings={key: table.values.get(key) for key in ("method", "prompt", "decoding", "ranking")},
    )


def _example(value: object, file: Path, number: int) -> Example:
    table = Table.of(value, str(file), f"line {number}", remedy=_AGAIN)
    return Example(
        id=table.get("id", str),
        key=table.get("key", str),
        image=table.get("image", str),
        prompt=table.get("prompt", str),
        value=None if table.values.get("value") is None else table.get("value", float),
        answer=table.get("answer", str),
        gold=table.texts("gold"),
        error=table.get("error", str, ""),
    )


def _json(data: bytes, place: str) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise IbDataError(f"{place}: is not JSON ({error}); {_AGAIN}, or name a report") from error
