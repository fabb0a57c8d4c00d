"""The name of the machine that figures were measured on, and the folder of results."""

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores and Python."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return {"processor": name, "cores": os.cpu_count(), "python": platform.python_version()}


def report(name: str, figures: dict[str, Any]) -> None:
    """Print the figures with the machine's name; with --write also save them to `results/NAME.json`."""
    text = json.dumps({"machine": machine(), **figures}, indent=1)
    if "--write" in sys.argv:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)
