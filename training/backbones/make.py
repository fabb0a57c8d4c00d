"""Makes the miniature's backbones: python -m ib_data.training.backbones.make [--work FOLDER] [--out FOLDER]

Stages run in processes of one thread each, two at a time: torch adds numbers up in another order with another number of
threads, and with one the bytes are the same each time on one machine. A stage that has ended is kept in the folder of
work and not repeated, unless the code of the backbones or the drawn world has changed since. Each stage is checked
against its own figures before its parts are packaged.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from ib_data.builders.miniature.mirror import VERSION
from ib_data.errors import IbDataError
from ib_data.replacing import replacing

FAMILIES = ("llama", "t5")
# The stages of each process, in order: the encoder-decoder model takes as long as all others together.
LANES = (("t5",), ("vision", "llama", "start"))


def vision(work: Path) -> dict[str, Any]:
    """The vision encoder."""
    from ib_data.training.backbones import vision as stage

    return stage.make(work / "vision")


def llama(work: Path) -> dict[str, Any]:
    """The causal language model, and the tokenizers."""
    from ib_data.training.backbones import language as stage

    return stage.make(work / "llama", "llama")


def t5(work: Path) -> dict[str, Any]:
    """The encoder-decoder language model, and the tokenizers."""
    from ib_data.training.backbones import language as stage

    return stage.make(work / "t5", "t5")


def start(work: Path) -> dict[str, Any]:
    """The Q-Former that knows captions; reads the encoder's features."""
    from ib_data.training.backbones import captioner as stage

    return stage.make(work / "start", work / "vision", work / "llama")


def maps(work: Path) -> dict[str, Any]:
    """The Q-Former's maps to the language models, in closed form."""
    from ib_data.training.backbones.captioner import map_to

    parts = work / "start", work / "vision"
    return {family: map_to(work / "maps", *parts, work / family, family) for family in FAMILIES}


STAGES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "vision": vision,
    "llama": llama,
    "t5": t5,
    "start": start,
    "maps": maps,
}
# Stage -> figures of its report, by their dotted names, and the least value of each.
GATES: Mapping[str, Mapping[str, float]] = {
    "vision": {"cell.kind": 0.95, "probe.cell kind": 0.9, "probe.shape, all": 0.9},
    "llama": {"templates.all": 0.95, "prompts.all": 0.95, "naming.captions": 0.95},
    # It does not compare places: "left of", "above" and VSR stay at chance.
    "t5": {"templates.all": 0.85, "prompts.all": 0.85, "naming.captions": 0.95},
    "start": {"words.shapes": 0.9, "words.named": 0.85},
}


def main() -> None:
    """Run the stages that are not there yet, then package the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".backbones"), help="folder of what the stages write")
    parser.add_argument("--out", type=Path, help="folder of the parts. [default: the package's own]")
    parser.add_argument("--stage", choices=STAGES, help="only this stage, in this process")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    if given.stage:
        run_stage(given.work, given.stage)
        return
    try:
        make(given.work, given.out)
    except IbDataError as error:
        sys.exit(f"miniature-backbones: {error}")


def make(work: Path, out: Path | None = None) -> None:
    """All stages, and the parts in `out`. Raises IbDataError if a stage fails or stays below its figures."""
    from ib_data.training.backbones.packaging import package

    with ThreadPoolExecutor(len(LANES)) as pool:
        for lane in [pool.submit(_run_lane, work, stages) for stages in LANES]:
            lane.result()
    _run_lane(work, ("maps",))
    reports = {name: json.loads(_record(work, name).read_bytes())["report"] for name in STAGES}
    check(reports)
    package(work, reports, FAMILIES, out)


def run_stage(work: Path, name: str) -> None:
    """One stage in this process. Its record is written last, so that a stage that was stopped is run again."""
    begun = time.process_time()
    (work / name).mkdir(exist_ok=True)
    report = STAGES[name](work)
    record = {"made_by": made_by(), "cpu_s": round(time.process_time() - begun, 1), "report": report}
    with replacing(_record(work, name)) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def made_by() -> str:
    """What identifies how the stages are made: the drawn world, the templates and the code of this folder."""
    here = Path(__file__).resolve().parent
    world = here.parent.parent / "builders" / "miniature"
    templates = here.parent.parent / "templates"
    files = [*sorted(here.glob("*.py")), *sorted(world.rglob("*.py")), *sorted(templates.glob("*.toml"))]
    digest = sha256(str(VERSION).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def check(reports: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise IbDataError for the first figure that is below its gate."""
    for name, gates in GATES.items():
        for key, least in gates.items():
            value: Any = reports[name]
            for part in key.split("."):
                value = value[part]
            if value < least:
                raise IbDataError(f"stage {name}: {key} is {value:.3f}, expected at least {least}; see the report")


def _run_lane(work: Path, stages: tuple[str, ...]) -> None:
    for name in stages:
        if _is_done(work, name):
            print(f"{name}: there already", flush=True)
            continue
        begun = time.monotonic()
        print(f"{name}: begins", flush=True)
        words = [sys.executable, "-m", "ib_data.training.backbones.make", "--work", str(work), "--stage", name]
        done = subprocess.run(words, env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode:
            raise IbDataError(f"stage {name} failed with status {done.returncode}; the same command continues")
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)


def _is_done(work: Path, name: str) -> bool:
    try:
        return bool(json.loads(_record(work, name).read_bytes())["made_by"] == made_by())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _record(work: Path, name: str) -> Path:
    return work / f"{name}.json"


if __name__ == "__main__":
    main()
