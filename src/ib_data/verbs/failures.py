"""How a verb fails that has printed all that is whole: the table comes first, the problems last."""

from collections.abc import Collection

from ib_data.console import note
from ib_data.errors import IbDataError


def refuse(problems: Collection[str], summary: str) -> None:
    """Raise IbDataError where there are problems: the only one, or the summary after a note of each."""
    if len(problems) == 1:
        raise IbDataError(next(iter(problems)))
    if problems:
        note("\n".join(problems))
        raise IbDataError(summary)
