"""The front door: fast, helpful, and honest about wrong usage."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from ib_data.cli import VERBS, group

HEAVY = ("torch", "transformers", "datasets", "duckdb", "pyarrow", "numpy", "PIL", "requests", "webdataset", "jinja2")


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["--version"]])
def test_the_front_door_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; from ib_data.cli import main; sys.argv = ['ib-data', *sys.argv[1:]]\n"
        f"try: main()\nexcept SystemExit: pass\nprint('imported', *(set({HEAVY}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"IB_DATA_HOME": str(tmp_path)})
    assert done.stdout.splitlines()[-1] == "imported"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_an_example(verb: str, cli) -> None:
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    assert command.help.splitlines()[0] == VERBS[verb]
    text = cli(verb, "--help").out
    assert f"ib-data {verb}" in text
    assert "--home" in text or isinstance(command, click.Group) or verb == "templates"


def test_wrong_usage_is_exit_code_2_and_names_the_nearest(cli) -> None:
    result = cli("biuld", "vqav2")
    assert result.code == 2
    assert "no such verb 'biuld'; did you mean 'build'?" in result.err
    result = cli("build", "vqav2", "--alow-missing")
    assert result.code == 2
    assert "--allow-missing" in result.err
    assert cli("build").code == 2


def test_help_names_every_verb(cli) -> None:
    result = cli("--help")
    assert result.code == 0
    assert all(verb in result.out for verb in VERBS)


def test_interrupted_says_how_to_go_on(cli, monkeypatch, home) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ib_data.cards.card_names", interrupt)
    result = cli("build", "all", "--home", home.root)
    assert result.code == 130
    assert result.err.strip() == "ib-data: interrupted; the same command goes on where this one stopped"


def test_doctor_names_a_remedy_for_each_lack(cli, home) -> None:
    result = cli("doctor", "--home", home.root)
    assert result.code == 0
    assert "ib-data build vsr --mini" in result.out
    assert str(home.root) in result.out
