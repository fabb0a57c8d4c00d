"""Errors for annotations that cannot be rendered."""

from ib_data.cards import Card
from ib_data.errors import DataError, one_line
from ib_data.sample import Annotation


class RenderError(DataError):
    """An annotation that cannot be rendered.

    `reason` is the same for all annotations of a dataset with the same fault, so that they can be counted. The message
    names the annotation and may say more.
    """

    def __init__(
        self, card: Card, annotation: Annotation, problem: str, *, reason: str = "", remedy: str | None = None
    ) -> None:
        super().__init__(card.name, problem, row=f"annotation {annotation.id}", remedy=remedy)
        self.reason = one_line(reason or problem)


class HiddenTargetError(RenderError):
    """An annotation with an instruction but no target, as in splits with hidden answers."""
