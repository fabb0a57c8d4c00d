"""METEOR and SPICE through their Java originals, which come with the optional package pycocoevalcap."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.captions.jars import package, run_jar
from ib_data.evaluation.metrics.captions.texts import compared
from ib_data.evaluation.metrics.scores import Scores, mean_scores


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
    matches = run_jar("meteor", command, "\n".join(lines) + "\n").splitlines()
    *values, score = map(float, run_jar("meteor", command, " ||| ".join(("EVAL", *matches)) + "\n").split())
    return Scores(score=score, values=mean_scores(values).values, forms=forms)


def spice(predictions: Sequence[str], references: Sequence[Sequence[str]], *, tokenised: bool = False) -> Scores:
    """SPICE: the F-score of objects, attributes and relations; the mean over images. Needs about 8 GB of memory.

    Raises IbDataError as `meteor` does, and if the models of CoreNLP 3.6 are absent (pycocoevalcap downloads them).
    """
    hypotheses, targets = compared(predictions, references, tokenised=tokenised)
    forms = list(zip(hypotheses, targets, strict=True))
    if not list((package() / "spice" / "lib").glob("stanford-corenlp-3.6.0*.jar")):
        fetch = "from pycocoevalcap.spice.spice import Spice; Spice()"
        raise IbDataError(f'SPICE needs the models of CoreNLP 3.6, which are not here; fetch them: python -c "{fetch}"')
    with TemporaryDirectory() as folder:
        given, found = Path(folder, "in.json"), Path(folder, "out.json")
        given.write_text(json.dumps([{"image_id": n, "test": h, "refs": t} for n, (h, t) in enumerate(forms)]))
        run_jar("spice", ["-Xmx8G", "-jar", "spice-1.0.jar", str(given), "-out", str(found), "-silent"])
        rows = sorted(json.loads(found.read_text()), key=lambda row: int(row["image_id"]))
    return mean_scores([float(row["scores"]["All"]["f"]) for row in rows], forms=forms)


def _plain(text: str) -> str:
    return " ".join(text.replace("|||", " ").split())
