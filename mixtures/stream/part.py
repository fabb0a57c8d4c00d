"""A member of a mixture as a stream reads it, and one draw of it."""

from dataclasses import dataclass, replace
from functools import cached_property

from ib_data.cards import Card
from ib_data.mixtures.order.units import Units
from ib_data.sample import Annotation
from ib_data.stored.built_split import BuiltSplit
from ib_data.stored.rows import Rows
from ib_data.stored.store import Place
from ib_data.templates.rendered import Rendered
from ib_data.templates.renderer import Renderer


@dataclass(frozen=True)
class Part:
    """A member: its card, its split, its sampling units and its renderer.

    In a pass over everything (`is_pass`) a unit is one annotation or one conversation, and a held-out dataset is
    rendered with its zero-shot prompt.
    """

    name: str
    card: Card
    built: BuiltSplit
    units: Units
    renderer: Renderer
    is_pass: bool = False

    @cached_property
    def rows(self) -> Rows:
        """The index of the split."""
        return self.units.rows

    @cached_property
    def split(self) -> str:
        """train, validation or test."""
        return self.built.split

    def in_a_pass(self) -> "Part":
        """This member for a pass over everything."""
        return replace(self, units=replace(self.units, annotations_per_image=1), is_pass=True)

    def drawn(self, position: int, unit: int, epoch: int) -> "Drawn":
        """The draw of a unit. Raises DataError if the index is damaged."""
        rows = self.units.rows_of(unit, epoch)
        return Drawn(self, position, epoch, rows, self.rows.place(rows[0]))

    def render(self, annotation: Annotation, position: int) -> Rendered:
        """The render of an annotation at a position; in a pass, without a hidden target. See `Renderer.render`."""
        if not self.is_pass:
            return self.renderer.render(self.card, annotation, position)
        return self.renderer.render_in_pass(self.card, annotation, position, may_hide=self.hides_targets)

    def template_at(self, position: int, row: int) -> str | None:
        """The name of the template that a position draws for a row, from the index alone; None if none fits."""
        template = self.renderer.drawn(self.card.task, self.rows.fields(row), position)
        return template.name if template else None

    @cached_property
    def hides_targets(self) -> bool:
        """Whether annotations of the split may lack a target: a pass then gives only their instruction."""
        return self.renderer.hides_targets(self.card, self.split)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The draw of one position: the rows of one sample of `part`, and where that sample is."""

    part: Part
    position: int
    epoch: int
    rows: tuple[int, ...]
    place: Place
