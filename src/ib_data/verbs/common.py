"""Set up every verb when it is loaded: its options from the environment, and shell completion of its names."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

C = TypeVar("C", bound=click.Command)

PREFIX = "IB_DATA"


def finished(command: C, path: str) -> C:
    """Give a command environment variables for its options and completion for its arguments, and return it.

    `path` is its name on the command line, such as `mixture draw`. Subcommands are set up too, except those that a
    group loads on demand: that group calls this function itself.
    """
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            parameter.envvar = variables(parameter, path)
        elif parameter.name in COMPLETED:
            parameter.type = COMPLETED[parameter.name]
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            finished(inner, f"{path} {name}")
    return command


def variables(option: click.Option, path: str) -> list[str] | None:
    """The environment variables of an option, such as `IB_DATA_BUILD_LIMIT`, `IB_DATA_LIMIT`; the first set one wins.

    None for options that delete or replace data: they are only read from the command line, where they are visible.
    """
    if not option.allow_from_autoenv:
        return None
    name = max(option.opts, key=len).lstrip("-").replace("-", "_").upper()
    return [f"{PREFIX}_{path.replace(' ', '_').upper()}_{name}", f"{PREFIX}_{name}"]


class _Name(StringParamType):
    """A text argument with shell completion. The known values are listed only when the shell asks."""

    def __init__(self, known: Callable[[], Iterable[str]], files: bool = False) -> None:
        self.known, self.files = known, files

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The known values that begin with `incomplete`; with `files`, file names too."""
        found = [CompletionItem(name) for name in self.known() if name.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")] if self.files else found


def _datasets() -> tuple[str, ...]:
    from ib_data.cards import card_names

    return card_names()


def _datasets_and_groups() -> tuple[str, ...]:
    from ib_data.cards.named import GROUPS

    return (*_datasets(), *GROUPS)


def _mixtures() -> tuple[str, ...]:
    from ib_data.mixtures.spec.spec_file import mixture_names

    return (*mixture_names(), *_datasets())


def _tasks() -> Iterable[str]:
    from ib_data.tasks import TASKS

    return TASKS


def _configurations() -> tuple[str, ...]:
    from ib_data.training.config.config_file import config_names

    return config_names()


# argument name, in any verb -> the type that completes it
COMPLETED = {
    "name": _Name(_datasets),
    "names": _Name(_datasets_and_groups),
    "name_and_file": _Name(_datasets, files=True),
    "spec": _Name(_mixtures, files=True),
    "a": _Name(_mixtures, files=True),
    "b": _Name(_mixtures, files=True),
    "task": _Name(_tasks),
    "tasks": _Name(_tasks),
    "config": _Name(_configurations, files=True),
    "folder": _Name(tuple, files=True),
    "run": _Name(tuple, files=True),
    "given": _Name(_datasets, files=True),
    "report": _Name(tuple, files=True),
    "other_report": _Name(tuple, files=True),
}
