"""`ib-data build`: official files to shards.

options  the options of the verb
report   what it prints about each split
steps    the list of `--dry-run`
"""

from typing import TYPE_CHECKING, Any

import click

from ib_data.addresses import mirror_fault
from ib_data.home import Home
from ib_data.verbs.arguments import common_options, json_option, split_option
from ib_data.verbs.build.options import build_options
from ib_data.verbs.build.steps import report_steps

if TYPE_CHECKING:
    from ib_data.cards import Card


@click.command(name="build")
@click.argument("names", nargs=-1, required=True)
@split_option
@build_options
@json_option
@common_options
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
        raise click.UsageError("--mini has its own files: --dry-run has nothing to list")
    from ib_data.cards.named import stored_cards

    cards = stored_cards(names)  # first, so that an unknown name fails before pyarrow is imported
    if fault := mirror_fault(mirror):
        raise click.UsageError(fault)
    del chosen["engine"]
    if chosen.pop("dry_run"):
        _list_steps(cards, home, as_json, mirror=mirror, **chosen)
        return
    from ib_data.face.build import build
    from ib_data.verbs.build.report import Report

    given = {"source": chosen.pop("sources"), "media": not chosen.pop("no_media"), **chosen}
    with Report(home, as_json) as report:
        build(names, home, mini=mini, mirror=mirror, report=report, **given)


def _list_steps(
    cards: "list[Card]", home: Home, as_json: bool, *, split: str | None, no_media: bool, **chosen: Any
) -> None:
    """Print where every file would come from; IbDataError if this is unknown for some dataset."""
    from ib_data.builders.write.build_options import Options
    from ib_data.builders.write.dry_run import Step, steps
    from ib_data.builders.write.opened import opened_build, raise_failures, with_each

    given = {name: chosen.pop(name) for name in ("sources", "mirror", "from_hub")}
    with opened_build(home, Options(media=not no_media, **chosen), **given) as opened:

        def steps_of(card: "Card") -> list[tuple[str, Step]]:
            return [(card.name, step) for step in steps(card, opened, split)]

        found, failed = with_each(cards, steps_of)
    report_steps(found, as_json)
    raise_failures(cards, failed)
