"""Plain tables and notes for a terminal."""

import sys
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows in aligned columns under `header`; numbers to the right with thousands separated, None as a dash."""
    body = list(rows)
    right = [all(isinstance(row[i], int | float | None) for row in body) for i in range(len(header))]
    cells = [list(header), *([_cell(value) for value in row] for row in body)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    )


def note(text: str) -> None:
    """Say something beside the result: on standard error, so that a pipe gets the result alone."""
    print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """`text` with line breaks, escape sequences and other unprintable characters written as Python escapes.

    Source texts are untrusted: a terminal must show them, not obey them.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def typed(text: str) -> str:
    """`text` from the command line, read as UTF-8 also where the locale could not; what is no UTF-8 is replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return str(value)
