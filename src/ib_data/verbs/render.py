"""`ib-data render`: print instructions and targets as training sees them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import count_text, printable
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.built import built_cards
from ib_data.verbs.html_page import page_title, write_page
from ib_data.verbs.previews import Chosen, Previews, choosing_options, target_line
from ib_data.verbs.rendering import Rendering, rendering_options

if TYPE_CHECKING:
    from ib_data.templates.sheet.preview import Entry


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("-n", "number", type=click.IntRange(min=1), default=5, show_default=True, help="Annotations per dataset.")
@click.option("--all-templates", is_flag=True, help="Render each annotation with every template that fits it.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML page with images instead.")
@choosing_options
@rendering_options
@json_option
@common_options
def command(
    names: tuple[str, ...],
    number: int,
    all_templates: bool,
    html: Path | None,
    chosen: Chosen,
    rendering: Rendering,
    as_json: bool,
    home: Home,
) -> None:
    """Print instructions and targets as training sees them.

    NAMES are datasets, or held-in, held-out, all (the built datasets of that group). Renders the first annotations of a
    split, at positions 0, 1, 2, ..., or those that --random, --key and --where select, as in `ib-data show`. Held-out
    datasets use their zero-shot prompt, all others a training template drawn by (seed, position).

    \b
    ib-data render vqav2 -n 3 --seed 7
    ib-data render aokvqa --letters --shuffle-options
    ib-data render all -n 1 --all-templates --html page.html
    """
    if as_json and html:
        raise click.UsageError("--json and --html exclude each other")
    cards = built_cards(home, names, rendering.split)
    entries = Previews(
        home,
        cards,
        rendering,
        chosen,
        number,
        per_sample=number,
        max_annotations=number,
        all_templates=all_templates,
        media=html is not None,
    )
    if html:
        title = page_title(cards, "as rendered")
        num_examples = write_page(html, title, entries, lambda entry: len(entry.examples))
        click.echo(f"{count_text(num_examples, 'example')} in {html.absolute()}")
        entries.raise_problems()
        return  # the page itself shows why an example could not be rendered
    found = list(entries)
    rows = list(_rows(found))
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    for row in rows if not as_json else ():
        click.echo(_lines(row))
    _add_problems(entries.problems, found)
    entries.raise_problems()


def _rows(entries: "list[Entry]") -> Iterator[dict[str, Any]]:
    for entry in entries:
        for example in entry.examples:
            if example.rendered:
                yield {"key": entry.key, **example.rendered.to_plain()}


def _lines(row: dict[str, Any]) -> str:
    head = f"{row['key']}  annotation {row['annotation_id']}  position {row['position']}  seed {row['seed']}"
    name = f"[{row['template']} {row['template_sha256'][:8]}]"
    lines = [head]
    for turn in row.get("earlier", ()):
        lines += [f"  {printable(turn['question'])}", f"  -> {printable(turn['answer'])}"]
    return "\n".join([*lines, f"  {name} {printable(row['instruction'])}", f"  -> {target_line(row['target'])}"])


def _add_problems(problems: dict[str, str], entries: "list[Entry]") -> None:
    """Add the first rendering problem of each dataset to `problems`."""
    for entry in entries:
        for example in entry.examples:
            if example.problem:
                problems.setdefault(entry.card.name, example.problem)
