"""TensorBoard's curves of a run, read back with TensorBoard's own reader."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_curves import curves_of
from toy_training import KilledError, ToyStream, silent, toy_config, train_on

from ib_data import console
from ib_data.training.loop.tensorboard import TensorBoard, open_tensorboard
from ib_data.training.loop.train_log import step_rows

SHORT = toy_config(steps=1, warmup_steps=0, tensorboard=True)


@pytest.fixture
def verbose() -> Iterator[None]:
    console.set_verbosity(console.VERBOSE)
    yield
    console.set_verbosity(console.NORMAL)


def test_a_resumed_run_has_every_point_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    config = toy_config(steps=4, save_every=2, tensorboard=True)
    with pytest.raises(KilledError):  # in the fourth step: the third is made again
        train_on(config, ToyStream(stop_at=26), tmp_path, silent)
    train_on(config, ToyStream(), tmp_path, silent)
    rows, curves = step_rows((tmp_path / "log.jsonl").read_bytes()), curves_of(tmp_path)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    for curve, key in (
        ("loss/all", "loss"),
        ("loss/captioning", "loss"),
        ("optimizer/learning_rate", "learning_rate"),
        ("optimizer/gradient_norm", "gradient_norm"),
        ("speed/samples_per_s", "samples_per_s"),
        ("speed/tflops_per_s", "tflops_per_s"),
        ("speed/wait_share", "wait_share"),
    ):
        assert curves[curve] == {row["step"] + 1: pytest.approx(row[key], rel=1e-6) for row in rows}


def test_points_of_a_checkpoint_stay_after_resuming_from_it(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for done in (0, 2):
        with open_tensorboard(tmp_path, done, silent) as board:
            board.add(2, {"validation/toy": 1.0, "validation/none": None} if done == 0 else {})
            board.add(3, {"loss/all": done})
    assert curves_of(tmp_path) == {"validation/toy": {2: 1.0}, "loss/all": {3: 2.0}}


def test_without_the_package_a_run_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    said: list[str] = []
    train_on(SHORT, ToyStream(), tmp_path, said.append)
    assert not (tmp_path / "tensorboard").exists()
    assert not any("ensor" in line.replace(str(tmp_path), "") for line in said)
    assert capsys.readouterr() == ("", "")


def test_with_v_it_says_that_the_package_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verbose: None
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert not open_tensorboard(tmp_path, 0, pytest.fail).is_open
    assert "debug: TensorBoard is not installed" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_costs_the_curves_alone(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "tensorboard").write_text("a file in its place")
    said: list[str] = []
    train_on(SHORT, ToyStream(), tmp_path, said.append)
    assert sum("The run goes on without curves" in line for line in said) == 1


def test_a_full_disk_is_said_once() -> None:
    pytest.importorskip("tensorboard")

    class Full:
        def add_summary(self, *_given: Any) -> None:
            raise OSError(28, "No space left on device", "events")

        close = flush = add_summary

        @property
        def file_writer(self) -> "Full":
            return self

    said: list[str] = []
    with TensorBoard(Full(), said.append) as board:
        board.add(1, {"loss/all": 1.0})
        board.add(2, {"loss/all": 1.0})
        assert not board.is_open
    assert len(said) == 1
    assert said[0].startswith("TensorBoard: events: the disk is full")
