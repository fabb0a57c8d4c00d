"""A checkpoint damaged by a disk, a copy or a full disk is a one-line error, and is never trained on."""

import json
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest
from toy_training import ToyStream, draw, silent, toy_config, train_on

from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.training.generation.opened import load
from ib_data.training.loop import record
from ib_data.training.loop.record import DamagedError, require_whole, saved_last

HOME = Home(mkdtemp(prefix="ib_data_home_"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps with checkpoints 3 and 6."""
    out: Path = tmp_path_factory.mktemp("made") / "run"
    train_on(toy_config(), ToyStream(), out, silent)
    return out


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def flipped(data: bytes, place: int = -5) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 8
    return bytes(changed)


DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a bit of a weight": ("trained.safetensors", flipped),
    "a bit of a moment": ("optimizer.safetensors", flipped),
    "a byte that is no text": ("state.json", lambda data: data[:400] + b"\xff" + data[401:]),
    "a digit of the place": ("state.json", lambda data: data.replace(b'"position": 48', b'"position": 40')),
    "a line of the log": ("log.jsonl", lambda data: data.replace(b"0", b"1", 1)),
    "cut": ("trained.safetensors", lambda data: data[:-100]),
    "longer": ("state.json", lambda data: data + b"\n"),
    "a checksum": ("checkpoint.json", lambda data: flipped(data, data.index(b'"sha256"') + 15)),
    "the checksums cut": ("checkpoint.json", lambda data: data[:-20]),
    "the checksums no text": ("checkpoint.json", lambda data: b"\xff" + data),
    "the checksums a list": ("checkpoint.json", lambda data: b"[]"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_part_is_named_and_neither_trained_on_nor_asked(run: Path, what: str) -> None:
    name, change = DAMAGE[what]
    file = run / "step-000006" / name
    before = file.read_bytes()
    file.write_bytes(change(before))
    assert file.read_bytes() != before
    for use in (lambda: train_on(toy_config(), ToyStream(), run, silent), lambda: load(run, HOME)):
        with pytest.raises(DamagedError) as error:
            use()
        text = str(error.value)
        assert name in text
        assert "expected" in text
        assert "found" in text
        assert "step-000003 next to it is valid: remove step-000006 and run the same `train` command" in text
        assert len(text.splitlines()) == 1


@pytest.mark.parametrize("name", ["trained.safetensors", "log.jsonl", "checkpoint.json"])
def test_a_part_that_is_gone_is_named(run: Path, name: str) -> None:
    (run / "step-000006" / name).unlink()
    with pytest.raises(DamagedError, match=rf"{name}: expected .*found n"):
        load(run, HOME)


def test_the_remedy_of_a_damaged_checkpoint_works(run: Path) -> None:
    file = run / "step-000006" / "trained.safetensors"
    whole = file.read_bytes()
    file.write_bytes(flipped(whole))
    assert load(run / "step-000003", HOME)
    shutil.rmtree(run / "step-000006")
    assert train_on(toy_config(), ToyStream(), run, silent).num_new_steps == 3
    assert file.read_bytes() == whole


def test_where_nothing_is_whole_that_is_said(run: Path) -> None:
    for step in ("step-000003", "step-000006"):
        file = run / step / "trained.safetensors"
        file.write_bytes(flipped(file.read_bytes()))
    with pytest.raises(DamagedError, match="no other checkpoint next to it is valid: copy it again, or train again"):
        load(run, HOME)


def test_a_copied_checkpoint_is_whole_wherever_it_is(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "step-000006", tmp_path / "best")
    (tmp_path / "best" / "notes.txt").write_text("mine")
    assert load(tmp_path / "best", HOME)
    assert require_whole(tmp_path / "best").step == 6


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda log: log.replace(b":", b";", 1), 'log.jsonl: line 1: expected \'{"step": 0'),
        (lambda log: log[:100] + b"\xff" + log[101:], "log.jsonl: line 1: expected"),
        (lambda log: b"".join(log.splitlines(True)[:2]), 'log.jsonl: line 3: expected \'{"step": 1'),
        (lambda log: log[:-1], "log.jsonl: line 9: expected a line feed at its end, found the end of the file"),
        (lambda log: log.replace(b"\n", b"\r\n"), r"log.jsonl: line 1: expected a line feed at its end, found '\r\n'"),
    ],
    ids=["json", "utf-8", "cut", "last line feed", "CRLF"],
)
def test_a_damaged_log_is_said_and_taken_from_the_checkpoint(run: Path, change, says: str) -> None:
    log = (run / "log.jsonl").read_bytes()
    (run / "log.jsonl").write_bytes(change(log))
    lines: list[str] = []
    train_on(toy_config(), ToyStream(), run, lines.append)
    assert says in lines[0]
    assert (run / "log.jsonl").read_bytes() == log


def test_a_full_disk_keeps_what_was_saved_before(tmp_path: Path) -> None:
    train_on(toy_config(steps=3), ToyStream(), tmp_path, silent)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # A limit on the size of files stands for a full disk: the error has another number and the same class.
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(IbDataError) as error:
            train_on(toy_config(), ToyStream(), tmp_path, silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "step-000006: cannot be saved (Error while serializing: I/O error: File too large" in str(error.value)
    assert "step-000003 is kept; free some space there, and run the same command again" in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".lock")) == [
        "log.jsonl",
        "step-000003",
    ]
    assert all(path.read_bytes() == data for path, data in kept.items() if path.name != "log.jsonl")
    assert train_on(toy_config(), ToyStream(), tmp_path, silent).num_new_steps == 3


def test_checkpoints_of_all_runs_are_found_by_when_they_were_saved(made: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for number, name in enumerate(("zebra", "older", "newest")):
        folder = runs / name / f"step-{3 + number:06d}"
        shutil.copytree(made / "step-000006", folder)
        # As long as the record itself is whole it says when, not the folder's times.
        saved = json.loads((made / "step-000003" / "checkpoint.json").read_text())
        assert saved["saved"] < json.loads((folder / "checkpoint.json").read_text())["saved"]
    (runs / "zebra" / "step-000009.part").mkdir()
    (runs / "zebra" / "step-9").mkdir()
    shutil.copytree(made / "step-000003", runs / "older" / "step-000009")
    found = saved_last(runs)
    assert len(found) == 4
    assert found[-1] == runs / "older" / "step-000009"


def test_generate_takes_the_whole_checkpoint_that_was_saved_last(cli, made: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(made / "step-000006", runs / "a" / "step-000006")
    shutil.copytree(made / "step-000003", runs / "b" / "step-000003")
    (runs / "b" / "touched").write_text("later than any checkpoint")
    (tmp_path / "red.png").write_bytes(draw("red", "circle"))
    asked = ("generate", "--image", tmp_path / "red.png", "--prompt", "Caption:", "--home", tmp_path)
    said = cli(*asked)
    assert (said.code, said.err) == (0, f"model: {runs / 'a' / 'step-000006'}\n")
    weights = runs / "a" / "step-000006" / "trained.safetensors"
    weights.write_bytes(flipped(weights.read_bytes()))
    said = cli(*asked)
    assert said.code == 0
    assert [line.split(": ")[0] for line in said.err.splitlines()] == ["skipped", "model"]
    assert said.err.endswith(f"model: {runs / 'b' / 'step-000003'}\n")
    (runs / "b" / "step-000003" / "checkpoint.json").unlink()
    said = cli(*asked)
    assert said.code == 1
    assert said.err.splitlines()[-1].endswith("name another with --model")


def test_generate_reads_every_checkpoint_once_where_none_is_whole(cli, made: Path, tmp_path: Path, monkeypatch) -> None:
    folders = [tmp_path / "runs" / "a" / f"step-{step:06d}" for step in (3, 4, 5, 6)]
    for folder in folders:
        shutil.copytree(made / "step-000006", folder)
        weights = folder / "trained.safetensors"
        weights.write_bytes(flipped(weights.read_bytes()))
    (tmp_path / "red.png").write_bytes(draw("red", "circle"))
    checked: list[Path] = []
    real = record._checked
    monkeypatch.setattr(record, "_checked", lambda folder: (checked.append(folder), real(folder))[1])
    said = cli("generate", "--image", tmp_path / "red.png", "--prompt", "Caption:", "--home", tmp_path)
    assert said.code == 1
    assert sorted(checked) == folders
    assert [line.split(": ")[0] for line in said.err.splitlines()[:4]] == ["skipped"] * 4
    assert "trained.safetensors: damaged: expected SHA-256" in said.err
