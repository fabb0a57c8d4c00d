"""The pages say what the program does: the page that adds a dataset is followed to the letter."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ib_data.cli import VERBS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def blocks() -> dict[str, list[str]]:
    """The code blocks of docs/add-a-dataset.md, by their language ("" for plain ones)."""
    found: dict[str, list[str]] = {}
    page = (ROOT / "docs" / "add-a-dataset.md").read_text()
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        found.setdefault(language, []).append(text)
    return found


def test_the_page_that_adds_a_dataset_works_to_the_letter(blocks: dict[str, list[str]], tmp_path: Path) -> None:
    package = tmp_path / "package" / "ib_data"
    shutil.copytree(ROOT / "src" / "ib_data", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "cards" / "birds.md").write_text(blocks["markdown"][0])
    with (package / "cards" / "media.toml").open("a") as stores:
        stores.write(f"\n{blocks['toml'][0]}")
    builder, entry = blocks["python"]
    assert len(builder.splitlines()) <= 60
    (package / "builders" / "birds.py").write_text(builder)
    table = package / "builders" / "all.py"
    text = table.read_text().replace("from ib_data.builders import (", "from ib_data.builders import (\n    birds,", 1)
    text = text.replace("from ib_data.builders import aokvqa,", "from ib_data.builders import aokvqa, birds,", 1)
    table.write_text(text.replace('    "aokvqa": aokvqa.rows,\n', f'    "aokvqa": aokvqa.rows,\n{entry}'))

    source = tmp_path / "FOLDER"
    (source / "photos").mkdir(parents=True)
    (source / "birds_test.jsonl").write_text(blocks["json"][0])
    Image.new("RGB", (64, 48), (180, 60, 40)).save(source / "photos" / "robin.jpg")
    lines = [line for block in blocks[""] for line in block.splitlines() if line.startswith("ib-data ")]
    out = [run(package.parent, tmp_path / "home", line.replace("FOLDER", str(source))) for line in lines]
    assert "birds/test: 1 of 2 annotations (50.0 %) on 1 image; 1 dropped: no answers; 1 shard" in out[0]
    assert "What bird is it?" in out[1]
    assert "no answers" in out[2]


def run(package: Path, home: Path, line: str) -> str:
    words = re.findall(r'"[^"]*"|\S+', line)[1:]
    env = {**os.environ, "PYTHONPATH": str(package), "IB_DATA_HOME": str(home)}
    command = [sys.executable, "-c", "from ib_data.cli import main; main()", *(word.strip('"') for word in words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_begins_with_the_two_commands_and_names_every_folder() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.index("make demo") < text.index("make test") < 800
    assert all(f"{name}/" in text for name in ("cards", "builders", "templates", "mixtures", "training", "tests"))


def test_every_verb_has_its_page_in_the_reference() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    assert all(f"## ib-data {verb}\n" in text for verb in VERBS)
