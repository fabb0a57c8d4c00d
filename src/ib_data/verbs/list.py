"""`ib-data list`: all datasets in one table. Must stay light: nothing here may import pyarrow, duckdb or torch."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import click

from ib_data.cards import Card, card_names, gate_of, load_card
from ib_data.cards.kinds import kind_of
from ib_data.console import note, table
from ib_data.home import Home
from ib_data.stored.manifest import Damage, Manifest, survey
from ib_data.verbs.arguments import home_option, json_option

T = TypeVar("T", Manifest, Damage)


@click.command("list")
@home_option
@json_option
def command(home: Home, as_json: bool) -> None:
    """All datasets: task, role, official size, what is built.

    The split is the one the paper used, the size its number of official rows. What is built is counted in
    annotations, with what tells it from all of the official data: the miniature, a build without media, with
    --limit or smaller images, or a part. A view is there as soon as its base is.

    \b
    Example:
      ib-data list
      ib-data list --json | jq '.[] | select(.role == "held-out") | .name'
    """
    manifests, damaged = survey(home)
    cards = [load_card(name) for name in card_names()]
    if as_json:
        click.echo(json.dumps([_values(card, manifests, damaged) for card in cards], indent=1))
    else:
        header = ("name", "task", "role", "split", "official size", "built", "by hand")
        click.echo(table(header, [_row(card, manifests, damaged) for card in cards]))
    for damage in damaged:
        note(str(damage.error))


def _row(card: Card, manifests: Sequence[Manifest], damaged: Sequence[Damage]) -> tuple[object, ...]:
    own = [_in_short(card, manifest) for manifest in _of(card, manifests)]
    own += [f"{damage.split} damaged" for damage in _of(card, damaged)]
    done = f"view of {card.view_of}" if card.view_of else ", ".join(own) or None
    return card.name, card.task, card.role, card.used_split, card.size, done, _by_hand(card)


def _in_short(card: Card, manifest: Manifest) -> str:
    kind = ", ".join(kind_of(manifest, card))
    return f"{manifest.split} {manifest.num_annotations:,}{f' ({kind})' if kind else ''}"


def _of(card: Card, found: Iterable[T]) -> list[T]:
    """What was found of the card's splits; a view has those of its base."""
    return [item for item in found if item.dataset == card.stored_as and item.split in card.splits]


def _by_hand(card: Card) -> str | None:
    gate = gate_of(card)
    return gate.kind if gate else None


def _values(card: Card, manifests: Sequence[Manifest], damaged: Sequence[Damage]) -> dict[str, Any]:
    facts = {
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
            "kind": kind_of(m, card),
        }
        for m in _of(card, manifests)
    }
    problems = {d.split: str(d.error) for d in _of(card, damaged)}
    known = {key: value for key, value in facts.items() if value is not None} | {"built": counts}
    return known | {"damaged": problems} if problems else known
