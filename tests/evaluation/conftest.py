"""Fixtures of the tests of evaluations."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from toy_reports import A, B, toy_evaluated, write

from ib_data.evaluation.scoring.evaluated import Evaluated


@pytest.fixture
def two(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Writes two reports, of values or of evaluations, and gives their folders."""

    def written(
        a: Sequence[float] | Evaluated = A, b: Sequence[float] | Evaluated = B, **changes: Any
    ) -> tuple[Path, Path]:
        both = [one if isinstance(one, Evaluated) else toy_evaluated(one, **changes) for one in (a, b)]
        return write(tmp_path / "a", both[0]), write(tmp_path / "b", both[1])

    return written
