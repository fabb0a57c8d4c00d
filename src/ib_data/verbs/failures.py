"""Printing the healthy rows first, then raising one error that summarises the damaged ones."""

from collections.abc import Collection

from ib_data.console import error
from ib_data.errors import IbDataError


def raise_summary(problems: Collection[str], summary: str) -> None:
    """Raise IbDataError if there are problems: one problem as it is, several as `summary` after printing each."""
    if len(problems) == 1:
        raise IbDataError(next(iter(problems)))
    if problems:
        error("\n".join(problems))
        raise IbDataError(summary)
