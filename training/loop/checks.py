"""What a run measures at some of its steps: the validation loss, and scores by the metrics of the datasets."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import nn


class Checked(Protocol):
    """What a check gave."""

    def row(self, step: int) -> dict[str, Any]:
        """The line of the log after `step` steps."""
        ...

    def line(self, step: int) -> str:
        """The same for a reader."""
        ...

    def points(self) -> Mapping[str, float | None]:
        """A point for each curve; None is left out."""
        ...

    def state(self) -> dict[str, Any]:
        """The entry of a checkpoint's `state.json`."""
        ...


class Check(Protocol):
    """Measures a model, in all processes of a run at the same time, and changes neither it nor any random state.

    `entry` names its entry of a checkpoint's `state.json`.
    """

    @property
    def entry(self) -> str: ...  # noqa: D102 (described above)

    def is_due(self, step: int) -> bool:
        """Whether the model is measured after `step` steps."""
        ...

    def is_done(self, state: Mapping[str, Any]) -> bool:
        """Whether the entry of a checkpoint holds the result of this check."""
        ...

    def run(self, losses: nn.Module) -> Checked:
        """Measure the model in `losses`, the module that a step runs. Raises KeyboardInterrupt on a signal."""
        ...


def pending(checks: Sequence[Check], step: int, states: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    """The checks to make after `step` steps, without those whose results a checkpoint has in `states`, by entry."""
    return [check for check in checks if check.is_due(step) and not check.is_done(states.get(check.entry, {}))]
