"""How a build differs from the official data, and why rows were dropped, in short phrases. Imported by `list`."""

from collections.abc import Mapping

from ib_data.cards.card import Card
from ib_data.stored.manifest import Manifest


def kind_of(manifest: Manifest, card: Card) -> tuple[str, ...]:
    """How a build differs from the complete official data, in short phrases; empty if it does not.

    The phrases: miniature, without media, limited to N images, images of at most PX px, a percentage of the official
    size. `card` is the card of the dataset or of a view over it.
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
    """The percentage of the official annotations that is built; None if it is all, or unknown."""
    split = card.splits.get(manifest.split)
    official = split.num_annotations if split else None
    if not official or manifest.num_annotations >= official:
        return None
    percent = 100 * manifest.num_annotations / official
    if 0 < percent < 0.01:
        return "less than 0.01 %"
    return f"{min(percent, 99.9):.1f} %" if percent >= 1 else f"{percent:.1g} %"


def drops_in_words(counts: Mapping[str, int]) -> str:
    """The number of dropped rows and the reasons: "5 dropped: 3 no answers, 2 media missing"."""
    num_drops = sum(counts.values())
    if len(counts) == 1:
        return f"{num_drops:,} dropped: {next(iter(counts))}"
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in ranked)
    return f"{num_drops:,} dropped: {reasons}" if reasons else "none dropped"
