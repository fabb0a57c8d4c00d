"""The snippets of docs/duckdb.md run, and it names everything in the catalog; its queries have their own tests."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ib_data.home import Home
from ib_data.mixtures.catalog.file import rebuild
from ib_data.mixtures.catalog.macros import MACROS
from ib_data.mixtures.catalog.queries import query
from ib_data.mixtures.catalog.relations import RELATIONS

PAGE = (Path(__file__).parents[3] / "docs" / "duckdb.md").read_text()


@pytest.fixture
def home(tmp_path: Path, build_split: Any, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with 3 samples of okvqa and 2 of coco_caption, in ~/ib_data; the working folder is elsewhere."""
    home = Home(tmp_path / "ib_data")
    build_split(home, "okvqa", 3)
    build_split(home, "coco_caption", 2)
    rebuild(home)
    monkeypatch.setenv("IB_DATA_HOME", str(home.root))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return home


def test_the_python_snippets_run(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    opened, beside, by_range = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(opened, "docs/duckdb.md", "exec"), names)
    assert dict(names["counts"]) == {"okvqa": 3, "coco_caption": 2}
    exec(compile(beside, "docs/duckdb.md", "exec"), names)
    assert dict(names["sizes"]) == {"okvqa": 3, "coco_caption": 2}
    capsys.readouterr()
    exec(compile(by_range, "docs/duckdb.md", "exec"), {})
    keys = capsys.readouterr().out.split()
    assert len(keys) == 3
    assert set(keys) <= {row[0] for row in query(home, "SELECT key FROM samples")[1]}


def test_the_commands_beside_the_catalog_run(home: Home, build_split: Any, cli: Any) -> None:
    """In the place of the program, the package: a file, and statements to run on it."""
    own, beside = re.findall(r"^(duckdb (?!-readonly)[^\"]+\".*?\")$", PAGE, re.MULTILINE | re.DOTALL)
    run(own)
    (asked,) = re.findall(r"^(ib-data sql \"SELECT.*looked_at.*)$", PAGE, re.MULTILINE)
    assert cli(*shlex.split(asked)[1:], "--format", "csv").out == "count_star()\n5\n"
    build_split(home, "okvqa", 4)
    assert cli(*shlex.split(asked)[1:], "--format", "csv").out == "count_star()\n5\n"
    run(beside)
    with duckdb.connect("my.duckdb") as connection:
        assert connection.execute("FROM sizes ORDER BY ALL").fetchall() == [("coco_caption", 2), ("okvqa", 4)]


def run(command: str) -> None:
    expanded = subprocess.run(["sh", "-c", f"printf '%s\\n' {command[7:]}"], capture_output=True, text=True, check=True)
    file, sql = expanded.stdout.split("\n", 1)
    with duckdb.connect(file) as connection:
        connection.execute(sql)


def test_the_page_names_every_relation_and_macro() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(RELATIONS)
    signatures = {f"{name}({macro.parameters})" for name, macro in MACROS.items()}
    assert set(re.findall(r"^\| `(\w+\(.*?\))` \|", PAGE, re.MULTILINE)) == signatures
