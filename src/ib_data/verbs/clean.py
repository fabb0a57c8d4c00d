"""`ib-data clean`: delete caches and leftovers, and downloads on request."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ib_data.home import Home
from ib_data.removal import DEFAULT_KINDS, KINDS, leftovers, no_build
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.removing import dry_run_option, remove_asked, yes_option

F = TypeVar("F", bound=Callable[..., Any])


def _kind_options(function: F) -> F:
    for kind in reversed(KINDS):
        text = KINDS[kind][0].upper() + KINDS[kind][1:] + "."
        function = click.option(f"--{kind}", is_flag=True, help=text, allow_from_autoenv=False)(function)
    return function


@click.command(name="clean")
@_kind_options
@yes_option
@dry_run_option
@json_option
@common_options
def command(yes: bool, is_dry: bool, as_json: bool, home: Home, **kinds: bool) -> None:
    """Delete caches and leftovers, after listing their sizes.

    Without options: --cache, --staging, --miniature and --quarantine, all of which can be recreated without a
    download. With options, only what they name. Never deletes built datasets (use `ib-data rm`) or training runs.
    Asks before deleting, unless --yes is given.

    \b
    ib-data clean
    ib-data clean --downloads --dry-run
    ib-data clean --cache --staging --yes
    """
    chosen = [kind for kind in KINDS if kinds[kind]] or list(DEFAULT_KINDS)
    found = leftovers(home, chosen)
    with no_build(home):
        remove_asked(found, yes=yes, is_dry=is_dry, as_json=as_json)
