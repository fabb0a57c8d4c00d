"""Tables, sizes and progress: one format, fitted to the terminal, and no needless output."""

import io
import json
import os
import sys

import pytest

from ib_data import console
from ib_data.console import Progress, Size, count_text, progress, seconds_text, size_text, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that `console` sees, as a list of one."""
    now = [0.0]
    monkeypatch.setattr("ib_data.console.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def quiet() -> None:
    console.set_verbosity(console.QUIET)
    yield
    console.set_verbosity(console.NORMAL)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 KB"), (999_949, "999.9 KB"), (999_951, "1.0 MB"),
        (13_510_573_713, "13.5 GB"), (2_345_000_000_000_000, "2,345.0 TB"),
    ],
)  # fmt: skip
def test_sizes_are_powers_of_1000_with_one_decimal(number: int, text: str) -> None:
    assert size_text(number) == text


def test_a_size_is_a_number_in_json_and_a_text_in_a_table() -> None:
    assert json.dumps([Size(1500)]) == "[1500]"
    assert table(("a", "bytes"), [("x", Size(1500)), ("y", None), ("z", Size(7))]).splitlines()[2:] == [
        "x   1.5 KB", "y        -", "z  7 bytes",
    ]  # fmt: skip


def test_numbers_have_one_format() -> None:
    rows = [[1234567.0, 0.00001234, 1_000_000, True]]
    assert table(("a", "b", "c", "d"), rows).splitlines()[-1].split() == ["1,234,567", "1.234e-05", "1,000,000", "yes"]
    assert [count_text(n, "shard") for n in (0, 1, 1234)] == ["0 shards", "1 shard", "1,234 shards"]
    assert [seconds_text(s) for s in (0.44, 9.99, 41.6, 200, 7500)] == [
        "0.4 s", "10.0 s", "42 s", "3 min 20 s", "2 h 5 min",
    ]  # fmt: skip


LONG = [("knowledge_question_answering", "train 443,757 (miniature, part of the official size)", 443_757)]


@pytest.mark.parametrize("columns", [50, 60, 80])
def test_a_table_wraps_to_the_terminal_without_losing_text(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", Terminal())
    text = table(("task", "built", "official size"), LONG)
    assert max(map(len, text.splitlines())) <= columns
    letters = "".join(text.split()).replace("-", "")
    for word in ("knowledge_", "answering", "443,757", "(miniature,", "official"):
        assert word in text
    assert len(letters) == len("".join("".join(map(str, ["task", "built", "official size", *LONG[0][:2]])).split())) + 7


def test_a_table_in_a_pipe_has_one_line_per_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    lines = table(("task", "built", "official size"), LONG).splitlines()
    assert len(lines) == 3
    assert LONG[0][1] in lines[2]


def test_without_a_terminal_a_line_comes_at_most_every_ten_seconds(clock, capfd) -> None:
    with Progress("vsr/train", total=200, unit="shard") as shown:
        for _ in range(100):
            clock[0] += 0.25
            shown.add()
        clock[0] += 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "vsr/train: 40 of 200 shards (20%), 10 s"
    assert [line.split()[1] for line in lines] == ["40", "80", "100"]


def test_the_last_line_is_not_printed_twice(clock, capfd) -> None:
    with Progress("vsr/train", total=1, unit="shard") as shown:
        clock[0] += 38
        shown.add()
    assert capfd.readouterr().err.splitlines() == ["vsr/train: 1 of 1 shard (100%), 38 s"]


def test_a_short_step_prints_nothing_without_a_terminal(clock, capfd) -> None:
    for _ in progress(range(9), "reading", "row"):
        clock[0] += 1
    assert capfd.readouterr().err == ""


def test_bytes_are_counted_in_one_format(clock, capfd) -> None:
    with Progress("train2014.zip", total=13_510_573_713, unit="B", done=10**9) as shown:
        clock[0] += 11
        shown.add(10**9, state="2 of 8 files")
    assert capfd.readouterr().err.splitlines()[0] == "train2014.zip: 2.0 GB of 13.5 GB (15%), 11 s, 2 of 8 files"


def test_quiet_has_neither_notes_nor_progress(clock, capfd, quiet) -> None:
    console.note("a note")
    with Progress("reading", total=2) as shown:
        clock[0] += 60
        shown.add()
    assert capfd.readouterr().err == ""


def test_a_terminal_shows_a_bar_and_removes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(console, "_BAR_AFTER_S", 0.0)
    with Progress("reading", total=2, unit="row") as shown:
        shown.add(state="loss 0.5")
        console.note("a note")
        shown.add()
    assert "reading" in terminal.getvalue()
    assert "a note" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")


def test_importing_the_console_does_not_import_tqdm() -> None:
    import subprocess

    script = "import sys, ib_data.console; print('tqdm' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "False\n"
