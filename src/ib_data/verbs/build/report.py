"""The line that a build ends with, and the table of what it would read."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from ib_data.cards import load_card, media_stores
from ib_data.cards.kinds import drops_in_words, kind_of, official_share
from ib_data.console import printable, table
from ib_data.home import Home
from ib_data.stored.manifest import DROPS, Manifest

if TYPE_CHECKING:
    from ib_data.builders.write.dry_run import Step


def report(home: Home, manifest: Manifest, is_new: bool) -> None:
    """Print what a built split holds and of how much, what was left out and why, and where it is."""
    from ib_data.stored.index import drop_counts

    card, folder = load_card(manifest.dataset), home.split(manifest.dataset, manifest.split)
    kind = media_stores()[card.media[0]].kind
    share = None if manifest.recipe.get("miniature") else official_share(manifest, card)
    annotations = f"{manifest.num_annotations:,} annotations"
    if share:
        annotations = (
            f"{manifest.num_annotations:,} of {card.splits[manifest.split].num_annotations:,} annotations ({share})"
        )
    kinds = (phrase for phrase in kind_of(manifest, card) if not phrase.endswith("of the official size"))
    num_bytes = sum(shard.num_bytes for shard in manifest.shards)
    click.echo(
        f"{manifest.dataset}/{manifest.split}: {'' if is_new else 'already built, unchanged: '}{annotations} on "
        f"{_count(manifest.num_samples, 'clip' if kind == 'video' else kind)}{''.join(f', {p}' for p in kinds)}; "
        f"{drops_in_words(drop_counts(folder / DROPS))}; {_count(len(manifest.shards), 'shard')}, "
        f"{num_bytes / 1e6:,.1f} MB in {folder}"
    )


def report_steps(steps: "Sequence[tuple[str, Step]]") -> None:
    """Print where every input would come from, and how much is to be fetched."""
    rows = [
        (f"{name}/{step.split}", step.origin.what, step.origin.num_files or None, step.origin.place, step.origin.why)
        for name, step in steps
    ]
    click.echo(printable_table(("dataset", "input", "files", "where", "why"), rows))
    wanted = {step.origin.place: step for _, step in steps if step.num_bytes != 0}
    num_bytes = sum(step.num_bytes or 0 for step in wanted.values())
    unknown = sum(step.origin.num_files for step in wanted.values() if step.num_bytes is None)
    more = f" and {_count(unknown, 'file')} of a size that is not known" if unknown else ""
    click.echo(f"to be fetched: {num_bytes:,} bytes{more}" if wanted else "nothing is to be fetched")


def printable_table(header: "Sequence[str]", rows: "Iterable[Sequence[object]]") -> str:
    """A table with its texts escaped for the terminal."""
    return table(header, ([printable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
