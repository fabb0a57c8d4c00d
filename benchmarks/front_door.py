"""Start-up time of the command line, compared with a bare `import click`: python benchmarks/front_door.py [--write]

The two alternate, so that drift in the machine's speed affects both. The goal is a ratio of at most 3.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hardware import report

ROUNDS = 21
VERB = str(Path(sys.executable).with_name("ib-data"))
COMMANDS = {
    "import click": [sys.executable, "-c", "import click"],
    "ib-data --help": [VERB, "--help"],
    "ib-data list": [VERB, "list"],
    "ib-data render --help": [VERB, "render", "--help"],
    "ib-data stream --help": [VERB, "stream", "--help"],
}


def seconds(command: list[str], home: str) -> float:
    """Wall seconds of one process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "IB_DATA_HOME": home})
    return time.perf_counter() - began


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        runs = [{name: seconds(command, home) for name, command in COMMANDS.items()} for _ in range(ROUNDS)]
    figures = {
        name: {
            "median_s": round(statistics.median(run[name] for run in runs), 4),
            "ratio_to_import_click": round(statistics.median(run[name] / run["import click"] for run in runs), 2),
        }
        for name in COMMANDS
    }
    report("front_door", {"rounds": ROUNDS, **figures})
