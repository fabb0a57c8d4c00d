"""Errors that a user can mend: each is one line that ends in what to do next."""

import difflib
import errno
from collections.abc import Iterable

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM)


class IbDataError(Exception):
    """A failure of the data, the network or a check. The command line prints it as one line, exit code `exit_code`."""

    exit_code = 1


class UnknownNameError(IbDataError):
    """Wrong usage: a dataset, split, mixture, task, configuration or key of that name does not exist."""

    exit_code = 2


class MissingExtraError(IbDataError):
    """Something needs a package that is not installed; the message names the extra that brings it."""


class DataError(IbDataError):
    """A fault in a source, a shard or a spec: where it is, what was expected, what was found, what to do.

    `row` is a place inside `file`: a row number counted from 0, a key, or a path such as `annotations[3].answers`.
    `problem` and `remedy` of the error are the two parts of its line; the problem holds the place.
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
        """A worker process hands over the finished line, not the arguments that made it."""
        return IbDataError, (str(self),)


def one_line(text: str, limit: int = 1000) -> str:
    """`text` with control characters and line breaks as blanks, cut to `limit` characters.

    Messages quote untrusted source text; a terminal must not obey it.
    """
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= limit else f"{flat[: limit - 3]}..."


def quoted(value: object, limit: int = 60) -> str:
    """`repr(value)`, cut to `limit` characters, for the "found" part of a message."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest known name, else the list of all known names."""
    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    near = near or [known_name for known_name in names if len(name) > 2 and known_name.startswith(name.lower())]
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"


def os_error_line(error: OSError) -> str:
    """What went wrong on the disk, in one line: the file, the reason, and the remedy where there is one."""
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in _NO_SPACE:
        return f"{place}the disk is full; free some space, or choose another --home, and run the same command again"
    if error.errno in _CLOSED:  # it may have been read
        return f"{place}{error.strerror}; open it to this user, or choose another --home"
    if error.errno == errno.EROFS:
        return f"{place}cannot be written ({error.strerror}); choose another --home"
    return f"{place}{error.strerror or error}"
