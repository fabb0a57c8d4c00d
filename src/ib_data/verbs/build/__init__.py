"""`ib-data build`: official files to shards."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ib_data.console import error as tell_error
from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.cards.named import stored_cards
from ib_data.verbs.arguments import home_option, json_option, split_option
from ib_data.verbs.build.fetching import check_mirror, fetcher_of
from ib_data.verbs.build.options import build_options
from ib_data.verbs.build.report import Report
from ib_data.verbs.build.steps import report_steps

if TYPE_CHECKING:
    from ib_data.cards import Card

# Options of the verb that the library takes under the same names.
_SAME_NAME = ("allow_missing", "max_side", "limit", "workers", "replace", "drop_repeated")


@click.command(name="build")
@click.argument("names", nargs=-1, required=True)
@split_option
@build_options
@json_option
@home_option
def command(names: tuple[str, ...], mini: bool, mirror: str | None, home: Home, as_json: bool, **chosen: Any) -> None:
    """Build datasets: official files to shards, index and manifest.

    NAMES are datasets, or held-in, held-out, all. Without --split, the default splits of each dataset are built. A
    view such as vqav2_qg builds the dataset it reads. To continue a build that was stopped, run the same command
    again. An existing build is not replaced by one that holds less, unless --replace is given.

    \b
    ib-data build vsr --mini
    ib-data build vqav2 okvqa --workers 8
    ib-data build vsr --no-media --source ~/downloads/vsr
    ib-data build coco_caption --source ~/coco --allow-missing
    ib-data build all --dry-run
    """
    if mini and (mirror or chosen["sources"] or chosen["from_hub"]):
        raise click.UsageError("--mini has its own files: leave out --source, --mirror and --from-hub")
    if mini and chosen["dry_run"]:
        raise click.UsageError("--mini has its own files: there is nothing to look up for --dry-run")
    check_mirror(mirror)
    cards = stored_cards(names)
    from ib_data.builders.source.folders import SourceFolders
    from ib_data.builders.write.build import Build, build_dataset
    from ib_data.builders.write.build_options import Options
    from ib_data.builders.write.dry_run import Step, steps

    options = Options(media=not chosen["no_media"], miniature=mini, **{name: chosen[name] for name in _SAME_NAME})
    folders = SourceFolders(tuple(path.absolute() for path in chosen["sources"]), home)
    split = chosen["split"]
    with fetcher_of(home, mini, mirror, chosen["mini_size"]) as fetcher:
        build = Build(home=home, fetcher=fetcher, folders=folders, options=options, from_hub=chosen["from_hub"])
        if chosen["dry_run"]:
            found: list[tuple[str, Step]] = []
            failed = _each(cards, lambda card: found.extend((card.name, step) for step in steps(card, build, split)))
            report_steps(found, as_json)
        else:
            with Report(home, as_json) as report:
                reporting = replace(build, report=report)
                failed = _each(cards, lambda card: build_dataset(card, reporting, split))
                _make_catalog(home, is_asked=not failed)
    if len(cards) == 1 and failed:
        raise next(iter(failed.values()))
    if failed:
        raise IbDataError(f"{len(failed)} of {len(cards)} datasets were not built: {', '.join(failed)}")


def _each(cards: "Sequence[Card]", work: "Callable[[Card], object]") -> dict[str, IbDataError]:
    """Do `work` for each dataset; returns the errors of those that failed."""
    failed: dict[str, IbDataError] = {}
    for card in cards:
        try:
            work(card)
        except IbDataError as error:  # access to ask for, a missing extra: the others are built all the same
            failed[card.name] = error
            if len(cards) > 1:
                tell_error(f"not built: {error}")
    return failed


def _make_catalog(home: Home, is_asked: bool) -> None:
    from ib_data.mixtures.catalog.file import rebuild

    try:
        rebuild(home)
    except IbDataError as error:  # caused by another dataset: what was asked for is built
        if is_asked:
            note(f"the catalog was not updated: {error}")
