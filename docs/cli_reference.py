"""Writes `docs/cli.md` from the `--help` of every verb; with `--check` fails where the file differs."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ib_data.cli import VERBS, group

TARGET = Path(__file__).with_name("cli.md")
HEAD = """# The command line

Generated from `--help` by `make cli-reference`; `make check` fails if the two differ.

Exit code 0: done. 1: a failure of the data, the network or a check, in one line on standard error. 2: wrong usage, or
an unknown name of a dataset, split, mixture, task or configuration.

Results go to standard output; notes and progress go to standard error. `-q` leaves results and errors, `-v` adds debug
lines. `--json` prints one JSON document and nothing else on standard output.

Every option can be set in the environment: `build --max-side` by `IB_DATA_BUILD_MAX_SIDE`, or by `IB_DATA_MAX_SIDE` for
all verbs that have it. The command line wins, then the variable of the verb. Options that delete or replace data
(`--yes`, `--replace`, what `clean` deletes) are only read from the command line.

`eval "$(ib-data completion bash)"` in `~/.bashrc` makes the shell complete verbs, options and the names of datasets,
mixtures, tasks and configurations; see `ib-data completion` for zsh and fish.
"""


def sections(command: click.Command, path: str) -> Iterator[str]:
    """The help of a command, then that of its subcommands."""
    context = click.Context(command, info_name=path, terminal_width=100, help_option_names=["-h", "--help"])
    yield f"## {path}\n\n```\n{command.get_help(context).strip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):  # some groups import a subcommand only when it is asked for
            child = command.get_command(context, name)
            assert child is not None
            yield from sections(child, f"{path} {name}")


def reference() -> str:
    """The whole page."""
    root = click.Context(group, info_name="ib-data")
    commands = [(f"ib-data {verb}", group.get_command(root, verb)) for verb in VERBS]
    parts = [part for path, command in commands if command for part in sections(command, path)]
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    text = reference()
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET.name} is not what --help says: run `make cli-reference`")
