"""Which template a `Renderer` would draw at a position, from the index alone: a stream is listed without reading it."""

from dataclasses import dataclass
from pathlib import Path

from ib_data.cards import Card
from ib_data.templates.render import renderer
from ib_data.templates.render_options import DEFAULT_OPTIONS, RenderOptions


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """The draw of a card's templates in a run with `seed`; `options` and `folder` as `render` is given them."""

    card: Card
    seed: int
    options: RenderOptions = DEFAULT_OPTIONS
    folder: Path | None = None

    def at(self, position: int, fields: frozenset[str]) -> str | None:
        """The template's name for an annotation with `fields` (of `rows.FIELDS`); None where none fits."""
        template = renderer(self.folder, self.seed, self.options).drawn(self.card.task, fields, position)
        return template.name if template else None
