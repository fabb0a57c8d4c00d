"""The files of a report: `report.json`, `report.html`, and `examples.jsonl` of each dataset."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ib_data.evaluation.report.examples import lines
from ib_data.evaluation.report.page import page_of
from ib_data.evaluation.report.report import report_of
from ib_data.evaluation.scoring.evaluated import Evaluated
from ib_data.replacing import replacing

REPORT, PAGE, EXAMPLES = "report.json", "report.html", "examples.jsonl"


def write_report(
    folder: Path, evaluated: Sequence[Evaluated], media: Callable[[str, str], bytes | None]
) -> dict[str, Any]:
    """Write all files of a report into `folder`, which is made if needed, and return its JSON.

    `media` gives the bytes of the image or clip of a dataset's sample by its key; None if there is none. Each file is
    replaced as a whole, `report.json` last. Raises what `report_of` raises, before anything is written.
    """
    report = report_of(evaluated)
    for one in evaluated:
        file = folder / one.protocol.dataset / EXAMPLES
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, (_json(line) + "\n" for line in lines(one)))
    _write(folder / PAGE, [page_of(report, media)])
    _write(folder / REPORT, [json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False), "\n"])
    return report


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _write(path: Path, texts: Iterable[str]) -> None:
    # A lone surrogate in a text cannot be written as UTF-8; a question mark stands for it.
    with replacing(path) as part, part.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(texts)
