"""`ib-data show`: samples with their instructions, in the terminal or as HTML."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ib_data.console import printable
from ib_data.home import Home
from ib_data.templates.options import RenderOptions
from ib_data.verbs.options import built_cards, home_option, split_option, templates_option
from ib_data.verbs.rendering import rendering_options

if TYPE_CHECKING:
    from ib_data.templates.preview import Entry


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("-n", "number", type=click.IntRange(min=1), default=3, show_default=True, help="Samples of each to show.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws of template and answer.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a contact sheet to this file.")
@rendering_options
@split_option
@templates_option
@home_option
def command(
    names: tuple[str, ...],
    number: int,
    seed: int,
    html: Path | None,
    options: RenderOptions,
    split: str | None,
    folder: Path | None,
    home: Home,
) -> None:
    """Samples with their instructions, in the terminal or as HTML.

    NAMES are datasets, or held-in, held-out, all: of these the ones that are built.
    The HTML file holds its pictures and needs no network and no script.

    \b
    ib-data show vqav2 -n 2
    ib-data show vqav2 vqav2_qg vsr -n 24 --html sheet.html
    """
    from ib_data.templates.preview import preview

    cards = built_cards(home, names, split)
    entries = (
        entry
        for card in cards
        for entry in preview(
            home,
            card,
            n=number,
            split=split,
            seed=seed,
            per_sample=5 if html else 3,
            folder=folder,
            options=options,
            media=html is not None,
        )
    )
    if html is None:
        for place, entry in enumerate(entries):
            click.echo(f"\n{_lines(entry)}" if place else _lines(entry))
        return
    from ib_data.templates.sheet import contact_sheet

    keys: list[str] = []
    title = f"{', '.join(card.title for card in cards)}: first samples"
    html.write_text(contact_sheet(title, _noted(entries, keys)), encoding="utf-8")
    click.echo(f"{len(keys)} samples in {html.absolute()}")


def _noted(entries: "Iterator[Entry]", keys: list[str]) -> "Iterator[Entry]":
    """The entries as they come, noting their keys: with their pictures they are not kept."""
    for entry in entries:
        keys.append(entry.sample.key)
        yield entry


def _lines(entry: "Entry") -> str:
    media = entry.sample.media
    size = f"{media.width}x{media.height}" if media.width and media.height else "(built without media)"
    lines = [f"{entry.sample.key}  {media.kind} {size}"]
    for example in entry.examples:
        if example.rendered is None:
            lines.append(f"  {example.problem}")
            continue
        for turn in example.rendered.earlier:
            lines += [f"  {printable(turn.question)}", f"    -> {printable(turn.answer)}"]
        lines.append(f"  [{example.rendered.template}] {printable(example.rendered.instruction)}")
        lines.append(f"    -> {printable(example.rendered.target)}")
    if entry.num_more:
        lines.append(f"  and {entry.num_more} more annotation{'s' if entry.num_more > 1 else ''}")
    return "\n".join(lines)
