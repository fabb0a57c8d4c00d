"""`ib-data render`: instruction and target as a trainer would see them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import count_text, printable
from ib_data.home import Home
from ib_data.verbs.arguments import home_option, json_option
from ib_data.verbs.built import built_cards
from ib_data.verbs.html_page import page_title, write_page
from ib_data.verbs.previews import Chosen, Previews, choosing_options, target_line
from ib_data.verbs.rendering import Rendering, rendering_options

if TYPE_CHECKING:
    from ib_data.templates.sheet.preview import Entry


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("-n", "number", type=click.IntRange(min=1), default=5, show_default=True, help="Annotations of each.")
@click.option("--all-templates", is_flag=True, help="Each annotation through every template it has the fields for.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with the images instead.")
@choosing_options
@rendering_options
@json_option
@home_option
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
    """Instruction and target as a trainer would see them.

    NAMES are datasets, or held-in, held-out, all: of these the ones that are built. The first annotations of a split,
    or those of --random, --key and --where, as in `ib-data show`, at positions 0, 1, 2, ... A held-out dataset gets its
    zero-shot prompt, any other one of the training templates, drawn by (seed, position).

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
        return  # the page says of each example why it could not be rendered
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
    """Add why something could not be rendered, of each dataset the first."""
    for entry in entries:
        for example in entry.examples:
            if example.problem:
                problems.setdefault(entry.card.name, example.problem)
