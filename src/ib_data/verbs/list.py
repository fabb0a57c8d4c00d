"""`ib-data list`: all datasets in one table. Must stay light: no pyarrow, duckdb or torch here."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ib_data.console import AtLeast, Size, error, table
from ib_data.home import Home
from ib_data.stored.manifest import Damage, Manifest, survey
from ib_data.tasks import ROLES, TASKS
from ib_data.verbs.arguments import common_options, json_option

if TYPE_CHECKING:
    from ib_data.cards import Card

T = TypeVar("T", Manifest, Damage)


@click.command("list")
@click.option("--role", type=click.Choice(ROLES), help="Only datasets of this role.")
@click.option("--task", type=click.Choice(tuple(TASKS)), metavar="TASK", help="Only datasets of this task.")
@click.option("--built", "only_built", is_flag=True, help="Only built datasets, damaged ones included.")
@json_option
@common_options
def command(role: str | None, task: str | None, only_built: bool, home: Home, as_json: bool) -> None:
    """List all datasets: task, role, sizes, what is built.

    `official` is the number of annotations in the split that the paper used. `built` counts annotations and says how a
    build differs from the official data: miniature, without media, limited, smaller images, a part. `download` is what
    is still missing of the dataset's image archives and the official files of its default splits; + means that some
    sizes are unknown. `on disk` is the size of the shards. A view is built as soon as the dataset it reads is.

    \b
    ib-data list
    ib-data list --role held-out --task captioning
    ib-data list --built
    ib-data list --json | jq '.[] | select(.role == "held-out") | .name'
    """
    from ib_data.cards import card_names, load_card

    manifests, damaged = survey(home)
    cards = [card for card in map(load_card, card_names()) if role in (None, card.role) and task in (None, card.task)]
    if only_built:
        there = {(m.dataset, m.split) for m in manifests} | {(d.dataset, d.split) for d in damaged}
        cards = [card for card in cards if any((card.stored_as, split) in there for split in card.splits)]
    if as_json:
        click.echo(json.dumps([_values(card, home, manifests, damaged) for card in cards], indent=1))
    else:
        header = ("name", "task", "role", "split", "official", "built", "download", "on disk", "by hand")
        click.echo(table(header, [_row(card, home, manifests, damaged) for card in cards]))
    for damage in damaged:
        error(str(damage.error))


def _row(card: "Card", home: Home, manifests: Sequence[Manifest], damaged: Sequence[Damage]) -> tuple[object, ...]:
    from ib_data.cards.downloads import to_download

    own = [_in_short(card, manifest) for manifest in _of(card, manifests)]
    own += [f"{damage.split} damaged" for damage in _of(card, damaged)]
    done = f"view of {card.view_of}" if card.view_of else ", ".join(own) or None
    num_bytes, num_unknown = to_download(card, home)
    download = AtLeast(num_bytes) if num_unknown else Size(num_bytes)
    return (
        *(card.name, card.task, card.role, card.used_split, card.size),
        done,
        download if num_bytes or num_unknown else None,
        None if card.view_of else Size(sum(m.num_bytes for m in _of(card, manifests))) or None,
        _by_hand(card),
    )


def _in_short(card: "Card", manifest: Manifest) -> str:
    from ib_data.cards.kinds import kind_of

    kind = ", ".join(kind_of(manifest, card))
    return f"{manifest.split} {manifest.num_annotations:,}{f' ({kind})' if kind else ''}"


def _of(card: "Card", found: Iterable[T]) -> list[T]:
    """The items of the card's splits; a view has the splits of its base."""
    return [item for item in found if item.dataset == card.stored_as and item.split in card.splits]


def _by_hand(card: "Card") -> str | None:
    from ib_data.cards import gate_of

    return gate.kind if (gate := gate_of(card)) else None


def _values(card: "Card", home: Home, manifests: Sequence[Manifest], damaged: Sequence[Damage]) -> dict[str, Any]:
    from ib_data.cards.downloads import to_download
    from ib_data.cards.kinds import kind_of

    facts: dict[str, Any] = {
        "name": card.name,
        "title": card.title,
        "task": card.task,
        "role": card.role,
        "split": card.used_split,
        "official_size": card.size,
        "view_of": card.view_of,
        "by_hand": _by_hand(card),
    }
    counts = {
        m.split: {
            "samples": m.num_samples,
            "annotations": m.num_annotations,
            "drops": m.num_drops,
            "bytes": m.num_bytes,
            "kind": kind_of(m, card),
        }
        for m in _of(card, manifests)
    }
    num_bytes, num_unknown = to_download(card, home)
    problems = {d.split: str(d.error) for d in _of(card, damaged)}
    known = {key: value for key, value in facts.items() if value is not None}
    known |= {"download_bytes": num_bytes, "downloads_of_unknown_size": num_unknown, "built": counts}
    return known | {"damaged": problems} if problems else known
