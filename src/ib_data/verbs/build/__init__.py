"""`ib-data build`: official files to shards."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import click

from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.verbs.build.fetching import check_mirror, fetcher_of
from ib_data.verbs.build.report import report, report_steps
from ib_data.verbs.arguments import home_option, split_option, stored_cards

# Options of the verb that the library takes under the same names.
_SAME_NAME = ("allow_missing", "max_side", "limit", "workers", "replace", "drop_repeated")


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
    check_mirror(mirror)
    cards = stored_cards(names)
    from ib_data.builders.write.build import build_dataset
    from ib_data.builders.write.build_context import Build
    from ib_data.builders.write.dry_run import Step, steps
    from ib_data.builders.write.needs import tell_needs
    from ib_data.builders.source.folders import SourceFolders
    from ib_data.builders.write.build_options import Options

    options = Options(media=not chosen["no_media"], miniature=mini, **{name: chosen[name] for name in _SAME_NAME})
    folders = SourceFolders(tuple(path.absolute() for path in chosen["sources"]), home)
    wanted = [card.name for card in cards]
    with fetcher_of(home, mini, mirror, chosen["mini_size"], wanted, options.media) as fetcher:
        build = Build(
            home=home,
            fetcher=fetcher,
            folders=folders,
            options=options,
            from_hub=chosen["from_hub"],
            report=partial(report, home),
        )
        if not chosen["dry_run"]:
            tell_needs(cards, build, chosen["split"])
        failed: dict[str, IbDataError] = {}
        found: list[tuple[str, Step]] = []
        for card in cards:
            try:
                if chosen["dry_run"]:
                    found += [(card.name, step) for step in steps(card, build, chosen["split"])]
                else:
                    build_dataset(card, build, chosen["split"])
            except IbDataError as error:  # a gate, a missing extra: the others are built all the same
                failed[card.name] = error
                if len(cards) > 1:
                    note(f"not built: {error}")
    if chosen["dry_run"]:
        report_steps(found)
    else:
        _make_catalog(home, is_asked=not failed)
    if len(cards) == 1 and failed:
        raise next(iter(failed.values()))
    if failed:
        raise IbDataError(f"{len(failed)} of {len(cards)} datasets were not built: {', '.join(failed)}")


def _make_catalog(home: Home, is_asked: bool) -> None:
    from ib_data.mixtures.catalog.file import rebuild

    try:
        rebuild(home)
    except IbDataError as error:  # of another dataset: what was asked for is built
        if is_asked:
            note(f"the catalog was not renewed: {error}")
