"""What a person sees of a run: one bar on a terminal, a sensible number of lines elsewhere, nothing with -q."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from toy_training import ToyStream, toy_config, train_on

from ib_data import cli, console
from ib_data.training.config.config_file import load_config
from ib_data.training.loop import terminal, trainer
from ib_data.training.loop.terminal import Terminal


@pytest.fixture
def quiet() -> Iterator[None]:
    console.set_verbosity(console.QUIET)
    yield
    console.set_verbosity(console.NORMAL)


def row(step: int, **changes: Any) -> dict[str, Any]:
    values = {"step": step, "loss": 2.0, "learning_rate": 1e-5, "step_s": 2.0, "samples_per_s": 64.0}
    return {**values, "wait_share": 0.25, "tflops_per_s": 300.0, **changes}


def test_the_first_lines_of_a_run_and_its_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    train_on(toy_config(steps=2, warmup_steps=0, micro_batch_size=4), ToyStream(), tmp_path, said.append)
    *first, header, one, two = said
    assert [line.split()[0] for line in first] == ["model", "device", "batch", "steps", "logs"]
    assert "parameters train" in first[0]
    assert "float32; measured ceiling" in first[1]
    assert first[2] == "batch   8 positions a step: 1 process x 2 micro-batches of 4"
    assert first[3] == "steps   0 of 2 done; checkpoint every 3, validation never"
    assert first[4] == f"logs    every step in {tmp_path / 'log.jsonl'}"
    assert header.split() == ["steps", "loss", "lr", "samples/s", "waiting", "TFLOP/s", "ceiling", "time", "left"]
    assert one.split()[0] == "1"
    assert two.split()[0] == "2"
    assert len({len(line) for line in (header, one, two)}) == 1
    assert capsys.readouterr() == ("", "")  # one kind of progress only


def test_a_line_after_every_twentieth_part_and_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: now[0]))
    said: list[str] = []
    with Terminal(said.append, 1000, 0, 600.0) as shown:
        for step in range(100):
            now[0] += 2 if step < 60 else 7  # 30 steps take a minute, later 9 do
            shown.show(row(step))
    done = [int(line.split()[0]) for line in said[1:]]
    assert done == [1, 31, 50, 66, 75, 84, 93, 100]
    assert said[2].split() == ["31", "2.0000", "1.00e-05", "64", "25%", "300", "50%", "32", "min", "18", "s"]


def test_speeds_are_means_since_the_line_before() -> None:
    said: list[str] = []
    with Terminal(said.append, 40, 4, None) as shown:
        shown.show(row(4))
        shown.show(row(5, step_s=1.0, samples_per_s=30.0, wait_share=0.0))
        shown.show(row(6, step_s=3.0, samples_per_s=10.0, wait_share=0.4))
        shown.show(row(7, step_s=1.0))
    assert [line.split()[0] for line in said] == ["steps", "5", "6", "8"]
    assert said[3].split()[3:7] == ["23.5", "36%", "300", "-"]


def test_on_a_terminal_there_is_one_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(console, "_BAR_AFTER_S", 0.0)
    said: list[str] = []
    with Terminal(said.append, 3, 0, None) as shown:
        for step in range(3):
            shown.show(row(step))
        text = str(shown._bar._bar)
    assert text.startswith("training: 100%")
    assert "3/3 [" in text
    assert text.endswith("step/s, loss 2.0000, 64 samples/s, waiting 25%]")
    assert said == []
    assert "training" in capsys.readouterr().err


def test_nothing_with_q(tmp_path: Path, quiet: None, capsys: pytest.CaptureFixture[str]) -> None:
    train_on(toy_config(steps=1, warmup_steps=0), ToyStream(), tmp_path, pytest.fail)
    assert capsys.readouterr() == ("", "")


def test_json_prints_the_summary_alone_on_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "training_stream", lambda *_given: ToyStream())
    values = toy_config(steps=2, warmup_steps=0).values()
    changes = [
        f"{key}={values[key]}"
        for key in ("steps", "batch_size", "warmup_steps", "image_px", "device", "validate_every")
    ]
    (tmp_path / "toy.toml").write_text(f'mixture = "toy"\nmodel = "{values["model"]}"\ntensorboard = false\n')
    load_config(str(tmp_path / "toy.toml"), changes)
    arguments = ["train", str(tmp_path / "toy.toml"), *changes, "--home", str(tmp_path), "--json"]
    result = CliRunner().invoke(cli.group, arguments)
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["steps"] == 2
    assert "samples/s" in result.stderr
    again = CliRunner().invoke(cli.group, [*arguments[:-1], "-q"])
    console.set_verbosity(console.NORMAL)
    assert again.stderr == ""
    assert len(again.stdout.splitlines()) == 2
