"""Which template `render` would draw at a position, from the index alone: for listing a stream without reading it."""

from dataclasses import dataclass
from pathlib import Path

from ib_data.cards import Card
from ib_data.templates.render import draw_template, eligible
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
        hidden = {"answer", "right_option"}
        if self.options.turns == "chat":
            hidden.add("history_text")
        shared = fields - hidden
        right = shared | {"answer", "answer_letter"} if "right_option" in fields else shared
        candidates = eligible(self.card.task, self.folder or self.card.templates, shared | (fields & {"answer"}), right)
        return draw_template(candidates, self.seed, position).name if candidates else None
