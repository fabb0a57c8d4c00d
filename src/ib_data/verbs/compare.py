"""`ib-data compare`: two reports of evaluations side by side."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ib_data.console import note
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.failures import raise_summary
from ib_data.verbs.html_page import require_place, write_text

if TYPE_CHECKING:
    from ib_data.evaluation.report.comparison import Comparison


@click.command(name="compare")
@click.argument("report", metavar="A")
@click.argument("other_report", metavar="B")
@click.option(
    "--examples",
    "num_examples",
    type=click.IntRange(0, 10**7),
    default=10,
    show_default=True,
    help="Examples of each dataset where the reports differ.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with the images and both answers of these examples.",
)
@common_options
@json_option
def command(report: str, other_report: str, num_examples: int, page: Path | None, home: Home, as_json: bool) -> None:
    """Compare two reports of evaluations, with a paired test.

    A and B are folders with a report.json, or such files; A is the baseline. Datasets in both are compared example by
    example: McNemar's exact test if all values are 0 or 1, else a permutation test over images. Scores are printed
    times 100, and with --json as they are. Another split, metric or profile, or a part against the whole, is an error.

    \b
    ib-data compare runs/baseline/evaluation runs/new/evaluation
    ib-data compare a/report.json b/report.json --examples 50 --json
    ib-data compare a b --html differences.html
    """
    from ib_data.evaluation.report.comparison import compare
    from ib_data.evaluation.report.comparison_text import comparison_text

    if page:
        require_place(page)
    found = compare(Path(report), Path(other_report))
    if page and found.datasets:
        _write_page(page, found, num_examples, home)
    if as_json:
        click.echo(json.dumps(found.to_plain(num_examples), ensure_ascii=False, allow_nan=False))
    elif found.datasets:
        click.echo(comparison_text(found, num_examples))
    problems = found.problems
    raise_summary(problems.values(), f"{len(problems)} datasets could not be compared: {', '.join(problems)}")


def _write_page(page: Path, found: "Comparison", num_examples: int, home: Home) -> None:
    from ib_data.evaluation.report.comparison_page import comparison_page
    from ib_data.evaluation.run.several import built_media
    from ib_data.stored.store import LocalStore

    media = built_media(LocalStore(home))
    splits = {one.name: one.split for one in found.datasets}
    text = comparison_page(found, num_examples, lambda name, key: media(name, splits[name], key))
    write_text(page, text)
    note(f"page: {page}")
