"""The docs match the program: the steps of docs/add-a-dataset.md are run as written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from ib_data.cli import VERBS

ROOT = Path(__file__).resolve().parent.parent


def test_the_add_a_dataset_page_works_as_written(tmp_path: Path) -> None:
    """In an empty folder: a heading names the file that the block below it is; plain blocks are commands."""
    page = (ROOT / "docs" / "add-a-dataset.md").read_text()
    printed: dict[str, str] = {}
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "IB_DATA_HOME": str(tmp_path / "home")}
    for heading, body in re.findall(r"^#+ ([^\n]*)\n(.*?)(?=^#+ |\Z)", page, re.MULTILINE | re.DOTALL):
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", body, re.MULTILINE | re.DOTALL):
            if language:
                (tmp_path / heading.split("`")[1]).write_text(text)
                assert language != "python" or len(text.splitlines()) <= 60
            else:
                printed |= {line: run(line, tmp_path, env) for line in text.splitlines()}
    lines = list(printed)
    assert lines[0] == "pip install ib-data"
    assert {line.split()[1] for line in lines if line.startswith("ib-data")} >= {
        "build", "list", "card", "check", "show", "sql", "render", "mixture", "stream", "score",
    }  # fmt: skip
    out = {line.removeprefix("ib-data ").split()[0]: text for line, text in printed.items()}
    assert "birds/test: 1 of 2 annotations (50.0 %) on 1 image; 1 dropped: no answers; 1 shard" in out["build"]
    assert "test 1" in next(line for line in out["list"].splitlines() if line.startswith("birds"))
    assert out["check"] == "birds/test: ok\n"
    assert "What bird is it?" in out["show"]
    assert "no answers" in out["sql"]
    assert "You are in a garden. What bird is it?" in out["render"]
    assert re.search(r"birds +test +\S+ +accuracy \(case-insensitive\) +100\.00 ", out["score"])
    assert "(of 1 of 1 member)" in out["mixture"]
    assert [row.split("\t")[1:] for row in out["stream"].splitlines()] == [
        ["birds", "birds-test-robin", "7", "garden"]
    ] * 2


def run(line: str, folder: Path, env: dict[str, str]) -> str:
    """What a line of the page prints; `export` changes `env`, and nothing is installed."""
    words = shlex.split(line)
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        env[name] = value
        return ""
    programs = {"python": [sys.executable], "ib-data": [sys.executable, "-c", "from ib_data.cli import main; main()"]}
    command = ["true"] if words[0] == "pip" else [*programs.get(words[0], [words[0]]), *words[1:]]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_begins_with_the_two_commands_and_names_every_folder() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.index("make demo") < text.index("make test") < 800
    assert all(f"{name}/" in text for name in ("cards", "builders", "templates", "mixtures", "training", "tests"))


def test_every_verb_has_its_page_in_the_reference() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    assert all(f"## ib-data {verb}\n" in text for verb in VERBS)
