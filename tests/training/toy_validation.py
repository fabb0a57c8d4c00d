"""A pinned pass over toy examples, and runs that are validated on it."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from toy_training import ToyStream, silent, toy_example, train_on

from ib_data.mixtures.stream.example import Example
from ib_data.stored.meter import Meter
from ib_data.training.config.train_config import TrainConfig
from ib_data.training.loop import trainer
from ib_data.training.loop.trainer import Outcome
from ib_data.training.loop.validation import Validation

NAMES, ENDS = ("first", "second"), (5, 12)


@dataclass
class ToyPass:
    """Twelve examples of two datasets, with the interface of `PinnedPass`. `before` is called with each number."""

    names: tuple[str, ...] = NAMES
    ends: tuple[int, ...] = ENDS
    fingerprint: str = "toy"
    meter: Meter = field(default_factory=Meter)
    before: Callable[[int], None] = lambda _number: None

    @property
    def pass_size(self) -> int:
        return self.ends[-1]

    def read_pass(self, start: int = 0, count: int = 12) -> list[Example]:
        return [self.example(number) for number in range(start, min(start + count, self.pass_size))]

    def example(self, number: int) -> Example:
        self.before(number)
        return dataclasses.replace(toy_example(number * 7), position=number)


def validated_run(
    config: TrainConfig,
    out: Path,
    *,
    pinned: Any = None,
    stream: Any = None,
    say: Callable[[str], None] = silent,
) -> Outcome:
    """`train_on` with a validation over `pinned`."""

    def opened(config: Any, _home: Any, _stream: Any, collator: Any, ranks: Any, interrupts: Any, _say: Any) -> Any:
        return Validation(config, pinned or ToyPass(), collator, ranks, interrupts) if config.validate_every else None

    with patch.object(trainer, "open_validation", opened):
        return train_on(config, stream or ToyStream(), out, say)
