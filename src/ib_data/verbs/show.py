"""`ib-data show`: show samples with their instructions, in the terminal or as HTML."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import count_text, printable
from ib_data.home import Home
from ib_data.sample import plain
from ib_data.verbs.arguments import common_options, json_option
from ib_data.verbs.built import built_cards
from ib_data.verbs.html_page import page_title, write_page
from ib_data.verbs.previews import Chosen, Previews, choosing_options, target_line
from ib_data.verbs.rendering import Rendering, rendering_options

if TYPE_CHECKING:
    from ib_data.templates.sheet.preview import Entry


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "-n", "number", type=click.IntRange(min=1), show_default="3, or all of --key", help="Samples per dataset."
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a contact sheet to this file.")
@choosing_options
@rendering_options
@json_option
@common_options
def command(
    names: tuple[str, ...],
    number: int | None,
    html: Path | None,
    chosen: Chosen,
    rendering: Rendering,
    as_json: bool,
    home: Home,
) -> None:
    """Show samples with their instructions, in the terminal or as HTML.

    NAMES are datasets, or held-in, held-out, all (the built datasets of that group). Shows the first samples of the
    split, or those that --random, --key and --where select together. SQL is a condition over the columns of
    `annotations` in `ib-data sql`; only matching annotations are shown. An unreadable sample is shown as its error and
    makes the exit code 1. The HTML file contains its images and needs no network and no script.

    \b
    ib-data show vqav2 -n 2
    ib-data show vqav2 --random --seed 7 --where "question LIKE '%red%'"
    ib-data show vqav2 vqav2_qg vsr -n 24 --html sheet.html
    """
    if as_json and html:
        raise click.UsageError("--json and --html exclude each other")
    cards = built_cards(home, names, rendering.split)
    per_sample = 5 if html else 3
    entries = Previews(
        home, cards, rendering, chosen, number or len(chosen.keys) or 3, per_sample=per_sample, media=html is not None
    )
    if as_json:
        click.echo(json.dumps([_plain(entry) for entry in entries], indent=1, ensure_ascii=False))
    elif html is None:
        head = ""
        for place, entry in enumerate(entries):
            before, head = head, _head(entry)
            lines = [head] if head and head != before else []
            click.echo("\n".join([*([""] if place else []), *lines, _lines(entry)]))
    else:
        num_samples = write_page(html, page_title(cards, "samples"), entries, lambda _: 1)
        click.echo(f"{count_text(num_samples, 'sample')} in {html.absolute()}")
    entries.raise_problems()


def _plain(entry: "Entry") -> dict[str, Any]:
    """A sample as a JSON object: its media, and each example as rendered or the reason why it could not be."""
    place = {"dataset": entry.card.name, "split": entry.manifest.split, "key": entry.key}
    if entry.sample is None:
        return {**place, "problem": entry.problem}
    examples = [e.rendered.to_plain() if e.rendered else {"problem": e.problem} for e in entry.examples]
    return {**place, "media": plain(entry.sample.media), "examples": examples, "more": entry.num_more}


def _head(entry: "Entry") -> str:
    """The heading above a build's first sample: how it differs from the official data; empty if it does not."""
    from ib_data.cards.kinds import kind_of

    kind = ", ".join(kind_of(entry.manifest, entry.card))
    return f"{entry.card.name}/{entry.manifest.split}: {kind}" if kind else ""


def _lines(entry: "Entry") -> str:
    if entry.sample is None:
        return f"{entry.key}\n  {entry.problem}"
    media = entry.sample.media
    size = f"{media.width}x{media.height}" if media.width and media.height else "(built without media)"
    lines = [f"{entry.key}  {media.kind} {size}"]
    for example in entry.examples:
        if example.rendered is None:
            lines.append(f"  {example.problem}")
            continue
        for turn in example.rendered.earlier:
            lines += [f"  {printable(turn.question)}", f"    -> {printable(turn.answer)}"]
        lines.append(f"  [{example.rendered.template}] {printable(example.rendered.instruction)}")
        lines.append(f"    -> {target_line(example.rendered.target)}")
    if entry.num_more:
        lines.append(f"  and {count_text(entry.num_more, 'more annotation')}")
    return "\n".join(lines)
