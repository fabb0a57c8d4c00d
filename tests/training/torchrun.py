"""Starts toy runs in several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def torchrun(world: int, runs: list[tuple[Path, dict[str, Any]]], **stream: Any) -> "subprocess.CompletedProcess[str]":
    """Train toy runs, one after the other, in `world` processes of this machine that talk by gloo."""
    plain = json.dumps([[str(folder), changes] for folder, changes in runs])
    return started(world, "toy_ranks.py", plain, json.dumps(stream))


def started(world: int, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a script of this folder in `world` processes."""
    paths = [str(HERE), str(HERE.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}",
         str(HERE / script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
