"""The errors of annotations that cannot be rendered."""

from ib_data.cards import Card
from ib_data.errors import DataError, one_line
from ib_data.sample import Annotation


class RenderError(DataError):
    """An annotation that cannot be rendered.

    `reason` is the same for all annotations of a dataset with the same fault, so that they can be counted; the
    message may say more, and names the annotation.
    """

    def __init__(
        self, card: Card, annotation: Annotation, problem: str, *, reason: str = "", remedy: str | None = None
    ) -> None:
        super().__init__(card.name, problem, row=f"annotation {annotation.id}", remedy=remedy)
        self.reason = one_line(reason or problem)


class HiddenTargetError(RenderError):
    """An annotation that has an instruction and no target, as those of splits whose answers are hidden."""
