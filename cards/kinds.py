"""What kind of build a split is, and why rows were left out, in short phrases. Light: `ib-data list` imports it."""

from collections.abc import Mapping

from ib_data.cards.card import Card
from ib_data.stored.manifest import Manifest


def kind_of(manifest: Manifest, card: Card) -> tuple[str, ...]:
    """What tells this build from all of the official data, in short phrases; empty where nothing does.

    `card` is that of the dataset or of a view over it: miniature, without media, limited to N images, images of at most
    PX pixels, part of the official size.
    """
    recipe = manifest.recipe
    limit, max_side, has_media = recipe.get("limit"), recipe.get("max_side"), recipe.get("media") is not False
    phrases = []
    if recipe.get("miniature"):
        phrases.append("miniature")
    if not has_media:
        phrases.append("without media")
    if isinstance(limit, int):
        phrases.append(f"limited to {limit:,}")
    if isinstance(max_side, int) and has_media:
        phrases.append(f"images of at most {max_side} px")
    if not recipe.get("miniature") and (share := official_share(manifest, card)):
        phrases.append(f"{share} of the official size")
    return tuple(phrases)


def official_share(manifest: Manifest, card: Card) -> str | None:
    """How many percent of the official annotations are built, where it is fewer than all and their number is known."""
    split = card.splits.get(manifest.split)
    official = split.num_annotations if split else None
    if not official or manifest.num_annotations >= official:
        return None
    percent = 100 * manifest.num_annotations / official
    if 0 < percent < 0.01:
        return "less than 0.01 %"
    return f"{min(percent, 99.9):.1f} %" if percent >= 1 else f"{percent:.1g} %"


def drops_in_words(counts: Mapping[str, int]) -> str:
    """How many rows were dropped and why: "3 dropped: no answers", "5 dropped: 3 no answers, 2 media missing"."""
    num_drops = sum(counts.values())
    if len(counts) == 1:
        return f"{num_drops:,} dropped: {next(iter(counts))}"
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in ranked)
    return f"{num_drops:,} dropped: {reasons}" if reasons else "none dropped"
