"""`ib-data templates`: list the instruction templates; its subcommands are modules that are imported when they run.

lint   checks
stats  lengths
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
from ib_data.verbs.arguments import home_option, json_option, templates_option
from ib_data.verbs.common import finished

if TYPE_CHECKING:
    from ib_data.templates.template import Template

# subcommand -> its first help line; the module is `ib_data.verbs.templates.NAME`.
SUBCOMMANDS = {
    "lint": "Check templates: each finding with its file and line.",
    "stats": "Lengths of instructions and targets by template.",
}


class ListOrSubcommand(click.Group):
    """A group that lists templates where no subcommand is named, so that a task can be named instead.

    The listing is the subcommand `list`, which need not be written.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The subcommands."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a subcommand, or the listing."""
        if cmd_name not in SUBCOMMANDS:
            return finished(listing, "templates")
        found: click.Command = importlib.import_module(f"ib_data.verbs.templates.{cmd_name}").command
        return finished(found, f"templates {cmd_name}")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, with all arguments for the listing where the first one is no subcommand."""
        if not args or args[0] not in (*SUBCOMMANDS, "list"):
            args = ["--help"] if {*args} & {*ctx.help_option_names} else ["list", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both ways of calling it."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] [TASK]")
        formatter.write_usage(ctx.command_path, f"{'|'.join(SUBCOMMANDS)} [OPTIONS] ...", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the listing, then the subcommands."""
        listing.format_options(ctx, formatter)
        with formatter.section("Subcommands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


def _task(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The task, where it is not the name of a subcommand behind an option; UnknownNameError for an unknown one."""
    if value in (*SUBCOMMANDS, "list"):
        raise click.UsageError(f"put the options after {value}: ib-data templates {value} [OPTIONS] ...")
    if value is not None and value not in TASKS:  # `Library.load` would say so too, but with Jinja
        raise UnknownNameError(f"unknown task {value!r}; {did_you_mean(value, (*TASKS, *SUBCOMMANDS))}")
    return value


@click.command(hidden=True)
@click.argument("task", required=False, callback=_task)
@templates_option
@json_option
@home_option
def listing(task: str | None, folder: Path | None, as_json: bool, home: Home) -> None:
    """What `ib-data templates` does where no subcommand is named."""
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

    TASK is one of the paper's task groups; without it all of them are listed. Kind `train` are those that a
    training run draws from, kind `zero_shot` are the prompts of held-out datasets.

    \b
    ib-data templates captioning
    ib-data templates --json
    ib-data templates captioning --templates my_templates/
    ib-data templates lint
    """


def _plain(template: "Template") -> dict[str, Any]:
    names = {"fields": sorted(template.fields), "needs": sorted(template.needs)}
    return {**asdict(template), **names, "targets": [target.text for target in template.targets]}
