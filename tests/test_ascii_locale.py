"""Under an ASCII locale, the usual one of a container, every verb prints what is stored: UTF-8."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ib_data.home import Home

STATEMENT = "Die K\u00e4tze is left of it."
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
# Each verb in turn; a line without the command tells its exit code.
SCRIPT = """
import sys
from ib_data.cli import main
for line in sys.argv[1:]:
    sys.argv = ["ib-data", *line.split("|")]
    try:
        main()
    except SystemExit as stop:
        print("code", stop.code)
"""


@pytest.fixture
def home(cli, tmp_path: Path) -> Home:
    """A home with one statement of VSR, which holds a letter beyond ASCII."""
    row = {"image_link": "x/train2017/000000000001.jpg", "image": "", "caption": STATEMENT, "label": 1}
    source = tmp_path / "source"
    source.mkdir()
    (source / "test.jsonl").write_text(json.dumps(row), encoding="utf-8")
    home = Home(tmp_path / "home")
    command = ("build", "vsr", "--split", "test", "--no-media", "--source", source, "--home", home.root)
    assert cli(*command).code == 0
    return home


def under_ascii(*lines: str, **more: str) -> tuple[str, str]:
    """What the verbs print on standard output and on standard error, as UTF-8."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **ASCII, **more}
    done = subprocess.run([sys.executable, "-c", SCRIPT, *lines], capture_output=True, check=True, env=environment)
    return done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def test_what_is_printed_is_utf_8(home: Home, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    query = "sql|SELECT statement FROM annotations"
    lines = [f"{query}|--format|{form}" for form in ("csv", "json", "table")]
    lines += [
        "show|vsr",
        "render|vsr",
        "render|vsr|--json",
        f"show|vsr|--html|{page}",
        "sql|SELECT gr\u00f6\u00dfe",
        "sql|SELECT 'gr\u00f6\u00dfe' AS x",
    ]
    out, err = under_ascii(*lines, IB_DATA_HOME=str(home.root))
    assert out.count(STATEMENT) == 6
    assert (out.count("code "), out.count("gr\u00f6\u00dfe")) == (1, 1)
    assert err.count("gr\u00f6\u00dfe") == 1
    assert "Traceback" not in err
    assert STATEMENT in page.read_text(encoding="utf-8")


def test_csv_alone_is_printed_as_utf_8(home: Home) -> None:
    out, _ = under_ascii("sql|SELECT statement FROM annotations|--format|csv", IB_DATA_HOME=str(home.root))
    assert out == f"statement\n{STATEMENT}\n"


def test_a_home_whose_name_the_locale_cannot_read_is_one_line(home: Home) -> None:
    moved = home.root.rename(home.root.with_name("H\u00e4user"))
    out, err = under_ascii("sql|FROM annotations", "show|vsr", "list", IB_DATA_HOME=str(moved))
    assert out == "code 1\n" * 3
    assert err.count("the locale cannot read this name; set LC_ALL=C.UTF-8, or choose another home\n") == 3
    assert err.count("\n") == 3
