"""Checks of what a caller gives to a public function: the error names the argument, what it may be and what it is."""

import operator
import os
from pathlib import Path
from typing import Any

from ib_data.errors import IbDataError, quoted


def fault(name: str, expected: str, found: object) -> IbDataError:
    """The error for an argument that is not what was expected."""
    return IbDataError(f"{name}: expected {expected}, found {quoted(found)}")


def require_kind(name: str, value: object, kind: type | tuple[type, ...], expected: str) -> None:
    """Raise IbDataError for a value of another type."""
    if not isinstance(value, kind):
        raise fault(name, expected, value)


def require_text(name: str, value: object, expected: str = "a text or None") -> None:
    """Raise IbDataError for a value that is neither a text nor None."""
    require_kind(name, value, (str, type(None)), expected)


def integer(name: str, value: Any, least: int | None = None) -> int:
    """The value as an integer, which may be one of NumPy. IbDataError for any other type, and for one below `least`."""
    expected = "an integer" if least is None else f"an integer of at least {least:,}"
    try:
        found = operator.index(value)
    except TypeError:
        raise fault(name, expected, value) from None
    if isinstance(value, bool) or (least is not None and found < least):
        raise fault(name, expected, value)
    return found


def name_or_path(argument: str, value: str | os.PathLike[str], expected: str) -> str:
    """A name, or a path as text; IbDataError for anything else."""
    require_kind(argument, value, (str, os.PathLike), expected)
    return os.fspath(value)


def folder(name: str, value: str | os.PathLike[str]) -> Path:
    """An absolute path, `~` expanded; IbDataError for what is no path, and for a user that does not exist."""
    require_kind(name, value, (str, os.PathLike), "a folder")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise IbDataError(f"{name} {value}: {error}") from error
