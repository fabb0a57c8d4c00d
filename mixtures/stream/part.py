"""A member of a mixture as the stream reads it, and one draw of it."""

from dataclasses import dataclass, replace
from functools import cached_property

from ib_data.cards import Card
from ib_data.mixtures.order.units import Units
from ib_data.mixtures.stream.template_choice import TemplateChoice
from ib_data.sample import Annotation, StoredSample
from ib_data.stored.rows import Rows
from ib_data.stored.sample_reader import OtherContentError
from ib_data.stored.store import Place
from ib_data.templates.fields import hides_targets
from ib_data.templates.library import Template
from ib_data.templates.render import Rendered, render


@dataclass(frozen=True)
class Part:
    """A member: its card, the rows of its index and its sampling units.

    In a pass over everything (`is_pass`) a unit is one annotation, or one conversation, and `template` renders it
    where it is set; otherwise a template is drawn.
    """

    name: str
    card: Card
    split: str
    rows: Rows
    units: Units
    choice: TemplateChoice
    template: Template | None
    is_pass: bool = False

    def in_a_pass(self) -> "Part":
        """This member as a pass over everything reads it."""
        return replace(self, units=replace(self.units, annotations_per_image=1), is_pass=True)

    def drawn(self, position: int, unit: int, epoch: int) -> "Drawn":
        """The draw of a unit; DataError where the index is damaged."""
        rows = self.units.rows_of(unit, epoch)
        return Drawn(self, position, epoch, rows, self.rows.place(rows[0]))

    def annotation(self, row: int, sample: StoredSample) -> Annotation:
        """The annotation of a row, which `sample` must hold.

        OtherContentError where the sample, its image or the annotation is not the one that the index says, SampleError
        where the annotation is faulty.
        """
        key, annotation_id = self.rows.ids(row)
        ordinal = self.rows.ordinal(row)
        if sample.key != key or ordinal >= sample.num_annotations:
            found: Annotation | None = None
        else:
            found = sample.annotation(ordinal)
        if found is None or found.id != annotation_id:
            expected = f"expected sample {key!r} with annotation {annotation_id!r}"
            raise OtherContentError(f"{expected}, found sample {sample.key!r}")
        if sample.media.sha256 != self.rows.media_sha256(row):
            raise OtherContentError(f"sample {key!r} holds another image or clip than when the index was made")
        return found

    def render(self, annotation: Annotation, position: int) -> Rendered:
        """The annotation as a run shows it; in a pass without a target where the split hides it. Raises as `render`."""
        return render(
            self.card,
            annotation,
            seed=self.choice.seed,
            position=position,
            template=self.template if self.is_pass else None,
            folder=self.choice.folder,
            options=self.choice.options,
            may_hide=self.is_pass and self.hides_targets,
        )

    @cached_property
    def hides_targets(self) -> bool:
        """Whether annotations of the split need not have a target: a pass gives their instruction alone."""
        return hides_targets(self.card, self.split, self.choice.folder)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a position draws: the rows of one sample of `part`, and where that sample is."""

    part: Part
    position: int
    epoch: int
    rows: tuple[int, ...]
    place: Place
