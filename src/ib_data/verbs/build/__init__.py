"""`ib-data build`: official files to shards."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ib_data.addresses import mirror_fault
from ib_data.home import Home
from ib_data.verbs.arguments import home_option, split_option
from ib_data.verbs.build.report import report, report_steps

if TYPE_CHECKING:
    from ib_data.cards import Card


@click.command(name="build")
@click.argument("names", nargs=-1, required=True)
@split_option
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder (or file) with official files: annotation files anywhere under it, images in their official folders. "
    "May be given several times.",
)
@click.option("--mirror", help="Look for every official URL at MIRROR/host/path (file:, http: or https:).")
@click.option("--from-hub", is_flag=True, help="Read the rows from the Hugging Face mirror that the card names.")
@click.option("--mini", is_flag=True, help="Build from the bundled miniature, a drawn world in the official formats.")
@click.option(
    "--mini-size",
    type=click.IntRange(1, 100_000),
    default=40,
    show_default=True,
    help="Images of the miniature's largest archive; the others in proportion.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N images of each split.")
@click.option("--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="all cores")
@click.option("--engine", type=click.Choice(["local"]), default="local", show_default=True, help="What runs workers.")
@click.option("--no-media", is_flag=True, help="Annotations only.")
@click.option("--allow-missing", is_flag=True, help="Drop samples whose image or clip is missing or broken, counted.")
@click.option(
    "--drop-repeated",
    type=click.IntRange(min=2),
    metavar="N",
    help="Drop web images of which N URLs or more gave the same bytes (placeholders), counted.",
)
@click.option("--dry-run", is_flag=True, help="List where every file would come from, and fetch and write nothing.")
@click.option("--replace", is_flag=True, help="Also replace a better build: more annotations, media, another form.")
@click.option("--max-side", type=click.IntRange(min=16), metavar="PX", help="Store larger pictures at this size.")
@home_option
def command(names: tuple[str, ...], mini: bool, mirror: str | None, home: Home, **chosen: Any) -> None:
    """Official files to shards, index and manifest.

    NAMES are datasets, or held-in, held-out, all. Without --split the default splits of each card are built; a view
    such as vqav2_qg builds the dataset it is a view of. A build that was stopped continues with the same command. One
    that holds less than what is there (annotations, media, larger images), or another form, takes its place only with
    --replace.

    \b
    ib-data build vsr --mini
    ib-data build vqav2 okvqa --workers 8
    ib-data build vsr --no-media --source ~/downloads/vsr
    ib-data build coco_caption --source ~/coco --allow-missing
    ib-data build all --dry-run
    """
    if mini and (mirror or chosen["sources"] or chosen["from_hub"]):
        raise click.UsageError("--mini brings its own files: leave out --source, --mirror and --from-hub")
    if mini and chosen["dry_run"]:
        raise click.UsageError("--mini brings its own files: there is nothing to look up for --dry-run")
    from ib_data.cards.named import stored_cards

    cards = stored_cards(names)  # before anything else: an unknown name needs no pyarrow
    if fault := mirror_fault(mirror):
        raise click.UsageError(fault)
    del chosen["engine"]
    if chosen.pop("dry_run"):
        _list_steps(cards, home, mirror=mirror, **chosen)
        return
    from ib_data.face.build import build

    given = {"source": chosen.pop("sources"), "media": not chosen.pop("no_media"), **chosen}
    build(names, home, mini=mini, mirror=mirror, report=partial(report, home), **given)


def _list_steps(cards: "list[Card]", home: Home, *, split: str | None, no_media: bool, **chosen: Any) -> None:
    """Print where every file would come from; IbDataError where this cannot be told of every dataset."""
    from ib_data.builders.write.build_options import Options
    from ib_data.builders.write.dry_run import Step, steps
    from ib_data.builders.write.opened import opened_build, raise_failures, with_each

    given = {name: chosen.pop(name) for name in ("sources", "mirror", "from_hub", "mini_size")}
    with opened_build(home, Options(media=not no_media, **chosen), **given) as opened:

        def steps_of(card: "Card") -> list[tuple[str, Step]]:
            return [(card.name, step) for step in steps(card, opened, split)]

        found, failed = with_each(cards, steps_of)
    report_steps(found)
    raise_failures(cards, failed)
