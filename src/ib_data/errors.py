"""Errors that a user can fix. Each is one line and ends in what to do next."""

import difflib
import errno
from collections.abc import Iterable

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM)


class IbDataError(Exception):
    """A failure of the data, the network or a check. The command line prints it as one line, exit code `exit_code`."""

    exit_code = 1


class WrongUsageError(IbDataError):
    """Wrong usage of the command line: exit code 2, as click's own."""

    exit_code = 2


class UnknownNameError(WrongUsageError):
    """Wrong usage: no dataset, split, mixture, task, configuration or key has this name."""


class MissingExtraError(IbDataError):
    """A needed package is not installed; the message names the extra to install."""


class DataError(IbDataError):
    """A fault in a source, a shard or a spec: where it is, what was expected, what was found, what to do.

    `row` is a place inside `file`: a row number counted from 0, a key, or a path such as `annotations[3].answers`.
    The line is `problem; remedy`; the attribute `problem` includes the place.
    """

    def __init__(
        self,
        dataset: str,
        problem: str,
        *,
        file: str | None = None,
        row: int | str | None = None,
        remedy: str | None = None,
    ) -> None:
        place = [dataset]
        if file is not None:
            place.append(file)
        if row is not None:
            place.append(f"row {row}" if isinstance(row, int) else row)
        self.problem, self.remedy = one_line(f"{': '.join(place)}: {problem}"), remedy
        super().__init__(one_line(f"{self.problem}; {remedy}" if remedy else self.problem))

    def __reduce__(self) -> tuple[type[IbDataError], tuple[str]]:
        """Pickle the finished line, not the arguments: worker processes send errors this way."""
        return IbDataError, (str(self),)


def one_line(text: str, limit: int = 1000) -> str:
    """`text` on one line, with control characters as blanks, cut to `limit` characters.

    Messages quote untrusted source text, which must not control the terminal.
    """
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= limit else f"{flat[: limit - 3]}..."


def quoted(value: object, limit: int = 60) -> str:
    """`repr(value)`, cut to `limit` characters, for the "found" part of a message."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` with the nearest known name, or the list of all known names if none is near."""
    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    near = near or [known_name for known_name in names if len(name) > 2 and known_name.startswith(name.lower())]
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"


def os_error_line(error: OSError) -> str:
    """An OSError as one line: the file, the reason and, if there is one, the remedy."""
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in _NO_SPACE:
        return f"{place}the disk is full; free some space, or choose another --home, and run the same command again"
    if error.errno in _CLOSED:  # reading or writing
        return f"{place}{error.strerror}; give this user access, or choose another --home"
    if error.errno == errno.EROFS:
        return f"{place}cannot be written ({error.strerror}); choose another --home"
    return f"{place}{error.strerror or error}"
