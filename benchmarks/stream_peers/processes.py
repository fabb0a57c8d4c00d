"""Runs every measurement in a separate process, which prints one line of JSON and exits."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NoReturn

from stream_peers.measure import stop_children

MARK = "RESULT "
LIMIT_S = 600
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def leave(result: dict[str, Any]) -> NoReturn:
    """Print the result and end, without waiting for the threads of a peer."""
    print(MARK + json.dumps(result), flush=True)
    stop_children()
    os._exit(0)


def run(python: str, script: Path, arguments: list[str]) -> dict[str, Any]:
    """The output of a script in a separate process; {"missing": reason} if there is none."""
    environment = {**os.environ, **ONE_THREAD}
    line = [python, str(script), *arguments]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=LIMIT_S, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return {"missing": f"no result within {LIMIT_S} s"}
    found = [text for text in done.stdout.splitlines() if text.startswith(MARK)]
    if found:
        result: dict[str, Any] = json.loads(found[-1][len(MARK) :])
        return result
    last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
    return {"missing": f"failed: {last[0][:200]}"}
