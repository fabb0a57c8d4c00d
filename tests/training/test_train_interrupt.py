"""Ctrl-C and SIGTERM finish the step, save it and say so; if the stream fails, the steps before it are kept."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_train_loop import logged
from toy_training import ToyStream, silent, toy_config, train_on

from ib_data import interrupts
from ib_data.errors import IbDataError
from ib_data.interrupts import Interrupted, Interrupts
from ib_data.training.loop import checkpoint as checkpoints
from ib_data.training.loop import losses, trainer
from ib_data.training.loop.record import newest


class Signalled(ToyStream):
    """A stream that receives a signal while it reads a position."""

    at: int = 0
    number: int = signal.SIGINT

    def batch(self, start, count):
        if self.at in range(start, start + count):
            os.kill(os.getpid(), self.number)
        return super().batch(start, count)


def in_a_step(monkeypatch: pytest.MonkeyPatch, step: int, do: Callable[[], Any]) -> None:
    """Run code at the beginning of a step."""
    real, steps = trainer.step_gradients, iter(range(100))

    def done(*given, **named):
        if next(steps) == step:
            do()
        return real(*given, **named)

    monkeypatch.setattr(trainer, "step_gradients", done)


@pytest.mark.parametrize(("number", "word", "code"), [(2, "interrupted", 130), (15, "terminated", 143)])
def test_a_signal_in_a_step_waits_for_it_and_saves(tmp_path, monkeypatch, capfd, number, word, code) -> None:
    config = toy_config(steps=6, save_every=6)
    train_on(config, ToyStream(), tmp_path / "straight", silent)
    in_a_step(monkeypatch, 3, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted) as stopped:
        train_on(config, ToyStream(), tmp_path / "cut", silent)
    folder = tmp_path / "cut" / "step-000004"
    assert str(stopped.value) == f"{word}; saved up to step 4 in {folder}; the same command continues from there"
    assert stopped.value.exit_code == code
    assert f"{word}: finishing step 4, then saving; again to quit at once" in capfd.readouterr().err
    assert len(logged(tmp_path / "cut")) == 4
    monkeypatch.undo()
    assert train_on(config, ToyStream(), tmp_path / "cut", silent).num_new_steps == 2
    weights = [load_file(tmp_path / run / "step-000006" / "trained.safetensors") for run in ("straight", "cut")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_signal_while_a_batch_is_awaited_saves_what_is_done(tmp_path) -> None:
    stream = Signalled()
    stream.at = 35
    with pytest.raises(Interrupted, match="interrupted; saved up to step 4 in"):
        train_on(toy_config(save_every=6), stream, tmp_path, silent)
    assert train_on(toy_config(save_every=6), ToyStream(), tmp_path, silent).num_new_steps == 2


def test_a_signal_before_the_first_step_says_that_nothing_is_saved(tmp_path) -> None:
    with pytest.raises(Interrupted, match=f"interrupted; no step is saved in {tmp_path}"):
        train_on(toy_config(), Signalled(), tmp_path, silent)


def test_a_signal_in_the_last_step_changes_nothing(tmp_path, monkeypatch) -> None:
    in_a_step(monkeypatch, 5, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert train_on(toy_config(), ToyStream(), tmp_path, silent).num_new_steps == 6


def test_the_second_signal_ends_at_once_and_leaves_what_was_saved(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(interrupts, "_SAME_S", 0)

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    in_a_step(monkeypatch, 4, twice)
    with pytest.raises(Interrupted, match="saved up to step 3 in"):
        train_on(toy_config(), ToyStream(), tmp_path, silent)
    assert checkpoints.read(tmp_path).step == 3


def test_a_second_signal_while_saving_leaves_no_half_checkpoint(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(interrupts, "_SAME_S", 0)
    real = checkpoints.write_record

    def cut(folder: Path, step: int) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        real(folder, step)

    monkeypatch.setattr(checkpoints, "write_record", cut)
    in_a_step(monkeypatch, 3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted, match="saved up to step 3 in"):
        train_on(toy_config(), ToyStream(), tmp_path, silent)
    assert checkpoints.read(tmp_path).step == 3


@pytest.mark.parametrize(("save_every", "says"), [(3, "saved up to step 3 in"), (6, "no step is saved in")])
def test_a_second_signal_while_the_last_step_is_saved_is_not_a_finished_run(
    tmp_path, monkeypatch, save_every: int, says: str
) -> None:
    monkeypatch.setattr(interrupts, "_SAME_S", 0)
    real = checkpoints.write_record

    def cut(folder: Path, step: int) -> None:
        if step == 6:
            os.kill(os.getpid(), signal.SIGINT)
        real(folder, step)

    config = toy_config(save_every=save_every)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write_record", cut)
        in_a_step(patched, 5, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted, match=f"interrupted; {says}"):
            train_on(config, ToyStream(), tmp_path, silent)
    assert train_on(config, ToyStream(), tmp_path, silent).checkpoint == tmp_path / "step-000006"


def test_a_signal_that_comes_twice_at_once_is_one(tmp_path, monkeypatch) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    in_a_step(monkeypatch, 3, twice)
    with pytest.raises(Interrupted, match="terminated; saved up to step 4 in"):
        train_on(toy_config(), ToyStream(), tmp_path, silent)


def test_what_was_set_before_is_set_again_and_what_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        own = signal.getsignal(signal.SIGINT)
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is not own
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_stream_that_fails_keeps_the_steps_before_it(tmp_path) -> None:
    class Failing(ToyStream):
        def batch(self, start, count):
            if start == 32:
                raise IbDataError("toy: shard 7 is damaged; build toy again")
            return super().batch(start, count)

    with pytest.raises(IbDataError, match=r"shard 7 is damaged; build toy again; saved up to step 4 in .*step-000004"):
        train_on(toy_config(), Failing(), tmp_path, silent)
    assert checkpoints.read(tmp_path).step == 4


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_loss_that_is_no_finite_number_stops_the_run_before_the_weights(tmp_path, monkeypatch, value) -> None:
    real, steps = losses.target_losses, iter(range(100))

    def spoiled(model, batch, features):
        found = real(model, batch, features)
        return found + torch.where(batch.positions[batch.target_rows] == 35, value, 0.0) if next(steps) == 4 else found

    monkeypatch.setattr(losses, "target_losses", spoiled)
    with pytest.raises(IbDataError) as error:
        train_on(toy_config(), ToyStream(), tmp_path, silent)
    said = str(error.value)
    assert said.startswith(f"step 4 (positions 32 to 39): the loss is {value} (here from positions 35); try a lower")
    assert "saved up to step 4 in" in said
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-000003", "step-000004"]


def test_a_gradient_that_is_infinite_stops_the_run(tmp_path, monkeypatch) -> None:
    real = losses.target_losses

    class Steep(torch.autograd.Function):
        @staticmethod
        def forward(_context, value):
            return value.clone()

        @staticmethod
        def backward(_context, gradient):
            return gradient * float("inf")

    def loss(model, batch, features):
        return real(model, batch, features) + Steep.apply(model.query_tokens).sum()

    monkeypatch.setattr(losses, "target_losses", loss)
    with pytest.raises(
        IbDataError, match=r"step 0 .*: the loss is \S+, the gradient of query_tokens is not finite; try"
    ):
        train_on(toy_config(), ToyStream(), tmp_path, silent)
    assert newest(tmp_path) is None


def test_a_gpu_without_memory_says_which_key_to_lower(tmp_path, monkeypatch) -> None:
    def full(*_given):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(losses, "target_losses", full)
    with pytest.raises(IbDataError, match=r"step 0: out of GPU memory; set micro_batch_size below 8, and resume"):
        train_on(toy_config(), ToyStream(), tmp_path, silent)
