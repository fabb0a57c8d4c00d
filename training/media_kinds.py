"""Checks that all members of a mixture have images, the only media the model takes."""

from ib_data.cards.media_stores import media_stores
from ib_data.errors import IbDataError
from ib_data.mixtures.stream.part import Part
from ib_data.mixtures.stream.stream import Stream


def require_images(stream: Stream) -> None:
    """Raise IbDataError, before any step, naming members with clips and members built without images."""
    clips = [name for name, part in stream.parts.items() if _kinds(part) != {"image"}]
    if clips:
        remedy = f"leave them out of the mixture (a spec with base = and without = {clips})"
        raise IbDataError(
            f"mixture {stream.mixture.name}: training takes images, but these have clips: {', '.join(clips)}; {remedy}"
        )
    bare = sorted({part.card.stored_as for part in stream.parts.values() if _is_bare(part)})
    if bare:
        remedy = f"run `ib-data build {' '.join(bare)}` without --no-media"
        raise IbDataError(f"mixture {stream.mixture.name}: built without their images: {', '.join(bare)}; {remedy}")


def _kinds(part: Part) -> set[str]:
    return {media_stores()[store].kind for store in part.card.media}


def _is_bare(part: Part) -> bool:
    return part.rows.count > 0 and part.rows.media_sha256(0) is None
