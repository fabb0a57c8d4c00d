"""The files of a report: `report.json`, `report.html`, and `examples.jsonl` of each dataset."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ib_data.evaluation.report.examples import lines
from ib_data.evaluation.report.page import page_of
from ib_data.evaluation.report.report import report_of, warnings_of
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.replacing import replacing

REPORT, PAGE, EXAMPLES = "report.json", "report.html", "examples.jsonl"


Media = Callable[[str, str, str], bytes | None]


def write_report(folder: Path, evaluated: Sequence[Evaluated], media: Media) -> dict[str, Any]:
    """Write all files of a report into `folder`, which is made if needed, and return its JSON.

    Datasets of the report that is there stay in it if it is of the same model and version. `media` gives the bytes of
    the image or clip of a sample by dataset, split and key; None if there is none. Each file is replaced as a whole,
    `report.json` last. Raises what `report_of` raises, before anything is written.
    """
    report = with_earlier(report_of(evaluated), folder / REPORT)
    for one in evaluated:
        file = folder / one.protocol.dataset / EXAMPLES
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, (_json(line) + "\n" for line in lines(one)))
    splits = {name: values["split"] for name, values in report["datasets"].items()}
    _write(folder / PAGE, [page_of(report, lambda name, key: media(name, splits[name], key))])
    _write(folder / REPORT, [json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False), "\n"])
    return report


def with_earlier(report: dict[str, Any], path: Path) -> dict[str, Any]:
    """The report with the datasets of an earlier one of the same model and version that it lacks itself."""
    try:
        earlier = json.loads(path.read_bytes())
        is_same = all(earlier[key] == report[key] for key in ("format", "version", "model"))
        others = {name: values for name, values in earlier["datasets"].items() if name not in report["datasets"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return report
    if not is_same or not others:
        return report
    datasets = {**others, **report["datasets"]}
    return {**report, "warnings": warnings_of(datasets), "datasets": datasets}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _write(path: Path, texts: Iterable[str]) -> None:
    # A lone surrogate in a text cannot be written as UTF-8; a question mark stands for it.
    with replacing(path) as part, part.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(texts)
