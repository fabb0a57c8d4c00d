"""Which template `render` would draw at a position, from the index alone: for listing a stream without reading it."""

from dataclasses import dataclass, field

from ib_data.cards import Card
from ib_data.templates.library import Template, load_task
from ib_data.templates.render import draw_template, fitting


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """The templates of one card's task, and those that fit each set of fields met so far."""

    card: Card
    seed: int
    fitting: dict[frozenset[str], list[Template]] = field(default_factory=dict)

    def at(self, position: int, fields: frozenset[str]) -> str | None:
        """The template's name for an annotation with `fields` (of `rows.FIELDS`); None where none fits."""
        candidates = self.fitting.get(fields)
        if candidates is None:
            candidates = self.fitting[fields] = self._fitting(fields)
        return draw_template(candidates, self.seed, position).name if candidates else None

    def _fitting(self, fields: frozenset[str]) -> list[Template]:
        shared = fields - {"answer", "right_option"}
        right = shared | ({"answer"} if "right_option" in fields else set())
        training = [template for template in load_task(self.card.task) if template.kind == "train"]
        return fitting(training, shared | (fields & {"answer"}), right)
