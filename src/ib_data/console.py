"""What a terminal shows: tables, sizes, notes and progress, each in one format everywhere.

Results go to standard output. Notes, debug lines and progress go to standard error, so that a pipe gets the result
alone. `set_verbosity` is the only state: the command line sets it from -q and -v.
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
_LONGEST_WORD = 20  # characters; longer ones are cut where a table is too wide
_GAP = "  "
_BAR_AFTER_S = 1.0
_LINE_EVERY_S = 10.0
_verbosity = NORMAL


def set_verbosity(verbosity: int) -> None:
    """QUIET: results and errors only. NORMAL: notes and progress too. VERBOSE: debug lines as well."""
    global _verbosity
    _verbosity = verbosity


def note(text: str) -> None:
    """Print a remark beside the result; nothing under -q."""
    if _verbosity > QUIET:
        _print(text)


def error(text: str) -> None:
    """Print one of several failures, also under -q; the last one is raised."""
    _print(text)


def debug(text: str) -> None:
    """Print what -v shows: addresses, cache hits, times."""
    if _verbosity >= VERBOSE:
        _print(f"debug: {text}")


def _print(text: str) -> None:
    if "tqdm" in sys.modules and sys.stderr.isatty():
        sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)  # above the bars
    else:
        print(text, file=sys.stderr, flush=True)


class Size(int):
    """A number of bytes that a table shows as `13.5 GB`; it sorts, sums and becomes JSON as the int it is."""

    def __str__(self) -> str:
        return size_text(self)


def size_text(num_bytes: int) -> str:
    """`532 bytes`, `3.5 KB`, `13.5 GB`: powers of 1000, one decimal. Messages that compare sizes give exact bytes."""
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
    """Rows in aligned columns under `header`; numbers to the right with thousands separated, None as a dash.

    On a terminal, text columns wrap so that the table fits its width. In a pipe nothing wraps: a row is a line.
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
    """The widths with the widest text columns cut until a line has `most` characters, as far as that goes."""
    widths = list(widths)
    least = []
    for i in range(len(widths)):
        header = max(map(len, cells[0][i].split()))  # the words of a header stay whole, and so do numbers
        word = max((len(part) for row in cells[1:] for part in ([row[i]] if right[i] else _pieces(row[i]))), default=0)
        least.append(max(header, word if right[i] else min(word, _LONGEST_WORD)))
    while sum(widths) + len(_GAP) * (len(widths) - 1) > most:
        spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        if not any(spare):
            break
        widths[spare.index(max(spare))] -= 1
    return widths


def _lines(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    """A row as one line, or as several where a cell is wider than its column."""
    parts = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    for number in range(max(map(len, parts), default=0)):
        cells = [part[number] if number < len(part) else "" for part in parts]
        line = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        )
        yield _GAP.join(line).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` characters, broken behind blanks, and inside names behind `_` and `/`."""
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

    Source texts are untrusted: a terminal must show them, not obey them.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def typed(text: str) -> str:
    """`text` from the command line, read as UTF-8 also where the locale could not; what is no UTF-8 is replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Progress:
    """The progress of one step, as a context manager: a bar on a terminal, else a line at most every ten seconds.

    Nothing is shown of a step that takes under a second on a terminal, under ten seconds elsewhere, nor under -q.
    `what` says what is done, `total` how many units there are (None: not known), `done` how many were done before.
    The unit "B" counts bytes. Not to be shared between threads.
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
        """Count `number` more units as done; `state` is a short text that the bar or line ends in, such as a loss."""
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
    """The items, counted by a `Progress` as they are asked for."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    with Progress(what, total, unit) as shown:
        for item in items:
            yield item
            shown.add()
