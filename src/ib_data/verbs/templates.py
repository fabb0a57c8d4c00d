"""`ib-data templates`: list the instruction templates."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ib_data.console import printable, table
from ib_data.home import Home
from ib_data.tasks import TASKS
from ib_data.templates.library import Template, load_task
from ib_data.verbs.options import home_option, json_option, templates_option


@click.command()
@click.argument("task", required=False)
@templates_option
@json_option
@home_option
def command(task: str | None, folder: Path | None, as_json: bool, home: Home) -> None:
    """List the instruction templates.

    TASK is one of the paper's task groups; without it all of them are listed. Kind `train` are those that a
    training run draws from, kind `zero_shot` are the prompts of held-out datasets.

    \b
    ib-data templates captioning
    ib-data templates --json
    ib-data templates captioning --templates my_templates/
    """
    tasks = (task,) if task else tuple(TASKS)
    found = [template for name in tasks for template in load_task(name, folder)]
    if as_json:
        click.echo(json.dumps([_plain(template) for template in found], indent=1, ensure_ascii=False))
    else:
        rows = [(t.task, t.kind, t.name, printable(t.text)) for t in found]
        click.echo(table(("task", "kind", "name", "text"), rows))


def _plain(template: Template) -> dict[str, Any]:
    names = {"fields": sorted(template.fields), "needs": sorted(template.needs)}
    return {**asdict(template), **names, "targets": [target.text for target in template.targets]}
