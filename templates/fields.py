"""What moved to `render_errors` and `Renderer`, for the callers that still name it here."""

from pathlib import Path

from ib_data.cards import Card
from ib_data.templates.render import renderer
from ib_data.templates.render_errors import HiddenTargetError
from ib_data.templates.render_options import DEFAULT_OPTIONS

__all__ = ["HiddenTargetError", "hides_targets"]


def hides_targets(card: Card, split: str, folder: Path | None = None) -> bool:
    """`Renderer.hides_targets`."""
    return renderer(folder, 0, DEFAULT_OPTIONS).hides_targets(card, split)
