"""`ib-data templates lint`: check template files."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option, templates_option


@click.command(name="lint")
@click.argument("tasks", metavar="[TASK]...", nargs=-1)
@templates_option
@json_option
@common_options
def command(tasks: tuple[str, ...], folder: Path | None, as_json: bool, home: Home) -> None:
    """Check template files; print each finding with file and line.

    Reads all templates of each TASK (default: all tasks) and renders them with annotations of the bundled miniature and
    the first annotations of what is built in --home. A finding is a line FILE:LINE: RULE: TEMPLATE: MESSAGE; any
    finding makes the exit code 1.

    \b
    ib-data templates lint
    ib-data templates lint captioning visual_dialogue
    ib-data templates lint --templates my_templates/ --json
    """
    from ib_data.templates.library import Library
    from ib_data.templates.lint.report import lint

    report = lint(tasks, home, Library(folder))
    if as_json:
        click.echo(json.dumps(asdict(report), indent=1, ensure_ascii=False))
    for finding in report.findings:
        if not as_json:
            click.echo(str(finding))
    if report.findings:
        raise IbDataError(report.summary)
    if not as_json:
        click.echo(report.summary)
