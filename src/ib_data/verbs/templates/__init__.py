"""`ib-data templates`: list the instruction templates. Subcommands are imported only when they run.

lint   check template files
stats  lengths of rendered instructions and targets
"""

import importlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import printable, table
from ib_data.errors import UnknownNameError, did_you_mean
from ib_data.home import Home
from ib_data.tasks import TASKS
from ib_data.verbs.arguments import common_options, json_option, templates_option
from ib_data.verbs.common import finished

if TYPE_CHECKING:
    from ib_data.templates.template import Template

# subcommand -> its first help line; the module is `ib_data.verbs.templates.NAME`.
SUBCOMMANDS = {
    "lint": "Check template files; print each finding with file and line.",
    "stats": "Measure the lengths of instructions and targets, per template.",
}


class ListOrSubcommand(click.Group):
    """A group whose default subcommand lists templates, so that `ib-data templates TASK` works."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The subcommands."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a subcommand; the listing for any other name."""
        if cmd_name not in SUBCOMMANDS:
            return finished(listing, "templates")
        found: click.Command = importlib.import_module(f"ib_data.verbs.templates.{cmd_name}").command
        return finished(found, f"templates {cmd_name}")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Pass all arguments to the listing unless the first one is a subcommand."""
        if not args or args[0] not in (*SUBCOMMANDS, "list"):
            args = ["--help"] if {*args} & {*ctx.help_option_names} else ["list", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print both usages: the listing, and the subcommands."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] [TASK]")
        formatter.write_usage(ctx.command_path, f"{'|'.join(SUBCOMMANDS)} [OPTIONS] ...", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the options of the listing, then the subcommands."""
        listing.format_options(ctx, formatter)
        with formatter.section("Subcommands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


def _task(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The task; UnknownNameError for an unknown one, UsageError for a subcommand that comes after an option."""
    if value in (*SUBCOMMANDS, "list"):
        raise click.UsageError(f"put the options after {value}: ib-data templates {value} [OPTIONS] ...")
    if value is not None and value not in TASKS:  # before `Library.load`, which imports Jinja
        raise UnknownNameError(f"unknown task {value!r}; {did_you_mean(value, (*TASKS, *SUBCOMMANDS))}")
    return value


@click.command(hidden=True)
@click.argument("task", required=False, callback=_task)
@templates_option
@json_option
@common_options
def listing(task: str | None, folder: Path | None, as_json: bool, home: Home) -> None:
    """List the templates of a task, or of all tasks."""
    from ib_data.templates.library import Library

    library, tasks = Library(folder), (task,) if task else tuple(TASKS)
    found = [template for name in tasks for template in library.load(name)]
    if as_json:
        click.echo(json.dumps([_plain(template) for template in found], indent=1, ensure_ascii=False))
    else:
        rows = [(t.task, t.kind, t.name, printable(t.text)) for t in found]
        click.echo(table(("task", "kind", "name", "text"), rows))


@click.group(cls=ListOrSubcommand)
def command() -> None:
    """List the instruction templates.

    TASK is one of the paper's task groups (default: all). Training draws from templates of kind `train`; kind
    `zero_shot` are the prompts of held-out datasets.

    \b
    ib-data templates captioning
    ib-data templates --json
    ib-data templates captioning --templates my_templates/
    ib-data templates lint
    """


def _plain(template: "Template") -> dict[str, Any]:
    names = {"fields": sorted(template.fields), "needs": sorted(template.needs)}
    return {**asdict(template), **names, "targets": [target.text for target in template.targets]}
