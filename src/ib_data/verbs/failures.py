"""How a verb ends that printed the healthy rows first and has damaged ones to report."""

from collections.abc import Collection

from ib_data.console import error
from ib_data.errors import IbDataError


def refuse(problems: Collection[str], summary: str) -> None:
    """Raise IbDataError if there are problems: the only one, or the summary after printing each."""
    if len(problems) == 1:
        raise IbDataError(next(iter(problems)))
    if problems:
        error("\n".join(problems))
        raise IbDataError(summary)
