"""The line that a build ends with."""

import click

from ib_data.builders.kinds import drops_in_words, kind_of, official_share
from ib_data.builders.manifest import DROPS, Manifest
from ib_data.cards import load_card, media_stores
from ib_data.home import Home


def report(home: Home, manifest: Manifest, is_new: bool) -> None:
    """Print what a built split holds and of how much, what was left out and why, and where it is."""
    from ib_data.builders.index import drop_counts

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


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
