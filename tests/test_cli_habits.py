"""Features of every verb: JSON, quiet and verbose, environment variables, completion, names."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ib_data.cards import card_names
from ib_data.cli import VERBS, group
from ib_data.tasks import TASKS
from ib_data.verbs.common import COMPLETED, variables

# Deletes or replaces data: never from the environment.
ONLY_TYPED = {
    "--yes", "--replace", "--cache", "--staging", "--miniature", "--quarantine", "--draws", "--downloads",
}  # fmt: skip
WITHOUT_JSON = {"completion"}  # prints a script
OWN_FORMS = {"query_text", "overrides", "shell"}  # arguments that are no names


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every verb and subcommand that does something, with its path."""

    def inner(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield path, command
            return
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            yield from inner(f"{path} {name}", command.get_command(context, name))
        if path == "templates":
            yield path, command.get_command(context, "list")

    for verb in VERBS:
        yield from inner(verb, group.get_command(click.Context(group), verb))


COMMANDS = dict(commands())


def test_templates_has_one_help_everywhere() -> None:
    options = [option for command in COMMANDS.values() for option in command.params if "--templates" in option.opts]
    assert len(options) > 4
    (help_text,) = {option.help for option in options}
    assert "in place of the packaged file of that task" in help_text  # what `Library` does


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_has_its_variables(path: str) -> None:
    options = [option for option in COMMANDS[path].params if isinstance(option, click.Option)]
    seen = []
    for option in options:
        name = max(option.opts, key=len)
        if name in ONLY_TYPED:
            assert option.envvar is None
            continue
        suffix = name.lstrip("-").replace("-", "_").upper()
        assert option.envvar == [f"IB_DATA_{path.upper().replace(' ', '_')}_{suffix}", f"IB_DATA_{suffix}"]
        assert option.envvar == variables(option, path)
        seen += option.envvar
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("path", sorted(set(COMMANDS) - WITHOUT_JSON))
def test_every_verb_has_home_json_quiet_and_verbose(path: str) -> None:
    names = {name for option in COMMANDS[path].params for name in option.opts}
    assert {"--home", "--json", "-q", "--quiet", "-v", "--verbose"} <= names


@pytest.mark.parametrize("path", COMMANDS)
def test_every_argument_is_completed_or_is_no_name(path: str) -> None:
    arguments = {p.name for p in COMMANDS[path].params if isinstance(p, click.Argument)}
    assert arguments <= {*COMPLETED, *OWN_FORMS}


def test_a_variable_stands_for_an_option_and_the_command_line_wins(cli, home, monkeypatch) -> None:
    def names(*options: str) -> list[str]:
        return [row["name"] for row in json.loads(cli("list", "--json", *options, "--home", home.root).out)]

    every = len(names())
    monkeypatch.setenv("IB_DATA_ROLE", "held-out")
    held_out = names()
    assert 0 < len(held_out) < every
    monkeypatch.setenv("IB_DATA_LIST_ROLE", "held-in")
    assert set(names()).isdisjoint(held_out)
    assert names("--role", "held-out") == held_out
    monkeypatch.setenv("IB_DATA_JSON", "1")
    assert json.loads(cli("list", "--home", home.root).out)


COMPLETIONS = {
    "card vqav": {"vqav2", "vqav2_qg"},
    "build held": {"held-in", "held-out"},
    "mixture show instr": {"instructblip", "instructblip-no-balance"},
    "mixture diff demo vs": {"vsr"},
    "stream dem": {"demo"},
    "templates capt": {"captioning", "captioning_scene_text"},
    "templates lint llav": {"llava"},
    "train minia": {"miniature"},
    "rm okv": {"okvqa", "okvqa_qg"},
    "bui": {"build"},
}
HEAVY = ("torch", "transformers", "datasets", "duckdb", "pyarrow", "PIL", "requests", "tqdm")


def test_a_shell_completes_names_without_heavy_imports() -> None:
    script = "\n".join(
        [
            "import contextlib, io, json, os, sys",
            "from ib_data.cli import main",
            "found = {}",
            "for line in sys.argv[1:]:",
            "    os.environ.update(_IB_DATA_COMPLETE='bash_complete', COMP_WORDS='ib-data ' + line)",
            "    os.environ['COMP_CWORD'] = str(len(line.split()))",
            "    out = io.TextIOWrapper(io.BytesIO())",
            "    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):",
            "        main()",
            "    found[line] = [text.partition(',') for text in out.buffer.getvalue().decode().split()]",
            f"print(json.dumps([found, [name for name in {HEAVY} if name in sys.modules]]))",
        ]
    )
    command = [sys.executable, "-c", script, *COMPLETIONS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    found, heavy = json.loads(done.stdout)
    assert {line: {name for kind, _, name in rows if kind == "plain"} for line, rows in found.items()} == COMPLETIONS
    assert heavy == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(shell: str, cli) -> None:
    result = cli("completion", shell)
    assert result.code == 0
    assert "_IB_DATA_COMPLETE" in result.out
    assert "ib-data" in result.out


def test_completion_knows_all_names() -> None:
    assert set(card_names()) <= set(COMPLETED["names"].known()) & set(COMPLETED["spec"].known())
    assert tuple(COMPLETED["tasks"].known()) == tuple(TASKS)


def test_python_m_ib_data_is_the_command_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ib_data", "card", "nope"], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 2
    assert done.stderr.startswith("ib-data: unknown dataset 'nope'")


@pytest.fixture
def vsr(cli, home, no_catalog):
    """A home with the miniature of vsr, annotations only."""
    arguments = ("build", "vsr", "--mini", "--mini-size", 6, "--no-media", "--workers", 1, "--home", home.root)
    return home, cli(*arguments, "--json")


def test_build_prints_json_alone(vsr, cli) -> None:
    home, result = vsr
    found = json.loads(result.out)
    assert [split["split"] for split in found["splits"]] == ["train", "validation", "test"]
    assert found["bytes"] == sum(split["bytes"] for split in found["splits"]) > 0
    assert all(split["is_new"] and Path(split["folder"]).is_dir() for split in found["splits"])
    steps = json.loads(cli("build", "vsr", "nocaps", "--dry-run", "--json", "--home", home.root).out)
    assert {step["dataset"] for step in steps} == {"vsr", "nocaps"}


def test_build_ends_with_its_size_and_the_next_command(cli, home, no_catalog) -> None:
    arguments = ("build", "vsr", "--mini", "--mini-size", 6, "--no-media", "--workers", 1, "--home", home.root)
    result = cli(*arguments)
    last = result.err.splitlines()[-1]
    assert "3 splits" in last
    assert "ib-data show vsr" in last
    quiet = cli(*arguments, "--split", "test", "-q")
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.out.startswith("vsr/test: already built")


def test_every_verb_that_reads_prints_json(vsr, cli) -> None:
    home, _ = vsr
    for line in (
        "list", "check vsr", "card vsr", "templates captioning", "render vsr -n 1", "show vsr -n 1", "mixture show vsr",
        "mixture diff vsr demo", "mixture draw vsr -n 2", "doctor", "doctor --report", "rm vsr --dry-run",
        "clean --dry-run",
    ):  # fmt: skip
        result = cli(*line.split(), "--json", "--home", home.root)
        assert result.code == 0, (line, result)
        assert json.loads(result.out), line


def test_verbose_says_what_quiet_does_not(vsr, cli) -> None:
    home, _ = vsr
    loud = cli("check", "vsr", "-v", "--home", home.root)
    assert "debug: vsr/test: hashing: " in loud.err
    assert loud.out == cli("check", "vsr", "-q", "--home", home.root).out
    assert cli("check", "vsr", "--home", home.root).err == ""


def test_a_dataset_is_a_mixture_of_one_member(vsr, cli) -> None:
    home, _ = vsr
    (member,) = json.loads(cli("mixture", "show", "vqav2", "--json", "--home", home.root).out)["members"]
    assert (member["member"], member["size"], member["weight"]) == ("vqav2", 443757, 1)
    (view,) = json.loads(cli("mixture", "show", "vqav2_qg", "--json", "--home", home.root).out)["members"]
    assert view["member"] == "vqav2_qg"
    ids = cli("stream", "vsr", "-n", 3, "--ids", "--home", home.root)
    assert [line.split("\t")[1] for line in ids.out.splitlines()] == ["vsr"] * 3
    result = cli("mixture", "show", "vqa2", "--home", home.root)
    assert result.code == 2
    assert "did you mean 'vqav2'" in result.err
