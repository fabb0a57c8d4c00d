"""Terminal output: tables, sizes, notes and progress, in one format everywhere.

Results go to standard output. Notes, debug lines and progress go to standard error, so that a pipe receives only the
result. The only state is the verbosity, which the command line sets from -q and -v.
"""

import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

QUIET, NORMAL, VERBOSE = -1, 0, 1
_LONGEST_WORD = 20  # characters; longer words are broken if a table is too wide
_GAP = "  "
_BAR_AFTER_S = 1.0
_LINE_EVERY_S = 10.0
_verbosity = NORMAL


def set_verbosity(verbosity: int) -> None:
    """QUIET: results and errors only. NORMAL: notes and progress too. VERBOSE: debug lines as well."""
    global _verbosity
    _verbosity = verbosity


def note(text: str) -> None:
    """Print a remark to standard error, unless -q is given."""
    if _verbosity > QUIET:
        _print(text)


def error(text: str) -> None:
    """Print one of several failures to standard error, even with -q."""
    _print(text)


def debug(text: str) -> None:
    """Print a debug line, such as an address, a cache hit or a time, if -v is given."""
    if _verbosity >= VERBOSE:
        _print(f"debug: {text}")


def _print(text: str) -> None:
    if "tqdm" in sys.modules and sys.stderr.isatty():
        sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)  # above the bars
    else:
        print(text, file=sys.stderr, flush=True)


class Size(int):
    """A number of bytes that tables show as `13.5 GB`; otherwise an int."""

    def __str__(self) -> str:
        return size_text(self)


class AtLeast(Size):
    """A lower bound in bytes: some sizes are unknown."""

    def __str__(self) -> str:
        return f"{super().__str__()}+" if self else "?"


def size_text(num_bytes: int) -> str:
    """`532 bytes`, `3.5 KB`, `13.5 GB`: powers of 1000, one decimal."""
    if num_bytes < 1000:
        return f"{int(num_bytes)} byte{'' if num_bytes == 1 else 's'}"
    value = float(num_bytes)
    for unit in ("KB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:,.1f} TB"


def count_text(number: int, noun: str) -> str:
    """`1 shard`, `1,234 shards`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def seconds_text(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows in aligned columns under `header`. Numbers are right-aligned with thousands separators; None is a dash.

    On a terminal, text columns wrap to fit the width. In a pipe, each row is one line.
    """
    body = list(rows)
    right = [all(isinstance(row[i], int | float | None) for row in body) for i in range(len(header))]
    cells = [list(header), *([_cell(value) for value in row] for row in body)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    if sys.stdout.isatty():
        widths = _fitted(widths, cells, right, shutil.get_terminal_size().columns)
    lines = [line for row in cells[:1] for line in _lines(row, widths, right)]
    lines.append(_GAP.join("-" * width for width in widths))
    lines += [line for row in cells[1:] for line in _lines(row, widths, right)]
    return "\n".join(lines)


def _fitted(widths: list[int], cells: list[list[str]], right: list[bool], most: int) -> list[int]:
    """`widths`, with the widest text columns narrowed until a line has at most `most` characters, if possible."""
    widths = list(widths)
    least = []
    for i in range(len(widths)):
        header = max(map(len, cells[0][i].split()))  # words of a header and numbers are never broken
        word = max((len(part) for row in cells[1:] for part in ([row[i]] if right[i] else _pieces(row[i]))), default=0)
        least.append(max(header, word if right[i] else min(word, _LONGEST_WORD)))
    while sum(widths) + len(_GAP) * (len(widths) - 1) > most:
        spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        if not any(spare):
            break
        widths[spare.index(max(spare))] -= 1
    return widths


def _lines(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    """The lines of one row; several if a cell is wider than its column."""
    parts = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    for number in range(max(map(len, parts), default=0)):
        cells = [part[number] if number < len(part) else "" for part in parts]
        line = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        )
        yield _GAP.join(line).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` characters, broken after blanks, commas, `;`, `_` and `/`."""
    if len(text) <= width:
        return [text]
    lines = [""]
    for word in _pieces(text):
        if len((lines[-1] + word).rstrip()) > width:
            lines.append("")
        while len(word.rstrip()) > width:
            lines[-1:] = [word[:width], ""]
            word = word[width:]
        lines[-1] += word
    return [line.rstrip() for line in lines if line.strip()]


def _pieces(text: str) -> list[str]:
    return re.findall(r"[^\s_/,;]*[\s_/,;]?", text)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, Size):
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def printable(text: str) -> str:
    """`text` with line breaks, escape sequences and other unprintable characters written as Python escapes.

    Source texts are untrusted and must not control the terminal.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def typed(text: str) -> str:
    """`text` from the command line, decoded as UTF-8 whatever the locale; invalid bytes are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Progress:
    """Shows the progress of one step, as a context manager: a bar on a terminal, else a line every ten seconds.

    Shows nothing for steps under a second (terminal) or ten seconds (elsewhere), or with -q. `what` names the step,
    `total` is the number of units (None: unknown), `done` the number already done. The unit "B" counts bytes. Not
    thread-safe.
    """

    def __init__(self, what: str, total: int | None = None, unit: str = "", done: int = 0) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self.is_bar = _verbosity > QUIET and sys.stderr.isatty()
        self.is_silent = _verbosity <= QUIET
        self.began_s = self.told_s = time.monotonic()
        self._told_done = done
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> "Progress":
        if self.is_bar:
            from tqdm import tqdm

            in_bytes = self.unit == "B"
            self._bar = tqdm(
                desc=self.what,
                total=self.total,
                initial=self.done,
                unit="B" if in_bytes else f" {self.unit}",
                unit_scale=in_bytes,
                leave=False,
                delay=_BAR_AFTER_S,
                dynamic_ncols=True,
            )
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
        now = time.monotonic()
        is_new = self.told_s > self.began_s and self.done != self._told_done
        if _error is None and not self.is_bar and is_new:
            self._tell(now)
        if _error is None:
            debug(f"{self.what}: {seconds_text(now - self.began_s)}")

    def add(self, number: int = 1, state: str = "") -> None:
        """Count `number` more units as done; `state` is a short text for the end of the line, such as a loss."""
        self.done += number
        if self._bar is not None:
            if state:
                self._bar.set_postfix_str(state, refresh=False)
            self._bar.update(number)
        elif not self.is_silent and (now := time.monotonic()) - self.told_s >= _LINE_EVERY_S:
            self._tell(now, state)

    def _tell(self, now: float, state: str = "") -> None:
        self.told_s, self._told_done = now, self.done
        amount = size_text if self.unit == "B" else (lambda number: f"{number:,}")
        of_all = f" of {amount(self.total)}" if self.total else ""
        share = f" ({self.done / self.total:.0%})" if self.total else ""
        unit = "" if self.unit in ("", "B") else f" {self.unit}{'' if (self.total or self.done) == 1 else 's'}"
        tail = f", {state}" if state else ""
        note(f"{self.what}: {amount(self.done)}{of_all}{unit}{share}, {seconds_text(now - self.began_s)}{tail}")


def progress(items: Iterable[T], what: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield the items and show the progress of the iteration."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    with Progress(what, total, unit) as shown:
        for item in items:
            yield item
            shown.add()
