"""Shared by `rm` and `clean`: list with sizes, ask, delete."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from ib_data.console import Size, count_text, note, size_text, table
from ib_data.errors import IbDataError
from ib_data.removal import Removable, remove

F = TypeVar("F", bound=Callable[..., Any])


def yes_option(function: F) -> F:
    """Adds `--yes`; the verb receives `yes: bool`. Not read from the environment."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.", allow_from_autoenv=False)(function)


def dry_run_option(function: F) -> F:
    """Adds `--dry-run`; the verb receives `is_dry: bool`."""
    return click.option("--dry-run", "is_dry", is_flag=True, help="List what would be deleted, and delete nothing.")(
        function
    )


def remove_asked(found: Sequence[Removable], *, yes: bool, is_dry: bool, as_json: bool) -> int:
    """List what was found, ask, delete it, and return the number of deleted items.

    Raises IbDataError if the answer is no or standard input is at its end. With `as_json` nobody is asked: `yes` or
    `is_dry` is required.
    """
    if as_json and not (yes or is_dry):
        raise click.UsageError("--json asks nothing: add --yes to delete, or --dry-run to list")
    total = sum(item.num_bytes for item in found)
    if not as_json:
        rows = [(item.what, Size(item.num_bytes), str(item.path)) for item in found]
        click.echo(table(("what", "size", "where"), rows) if rows else "nothing to delete")
    if found and not is_dry and not yes:
        _ask(f"Delete {count_text(len(found), 'item')}, {size_text(total)}?")
    removed = [] if is_dry else list(found)
    for item in removed:
        remove(item)
    if as_json:
        items = [{"what": item.what, "path": str(item.path), "bytes": item.num_bytes} for item in found]
        click.echo(json.dumps({"items": items, "bytes": total, "deleted": bool(removed)}, indent=1))
    elif removed:
        note(f"deleted: {size_text(total)}")
    return len(removed)


def _ask(question: str) -> None:
    try:
        answer = click.confirm(question, err=True)
    except click.Abort as error:  # end of input: a script without --yes
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise
        raise IbDataError("nothing was deleted: no answer; add --yes to delete without asking") from error
    if not answer:
        raise IbDataError("nothing was deleted")
