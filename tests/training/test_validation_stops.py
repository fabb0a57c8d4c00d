"""Stopped, killed or resumed around a validation: finished steps are kept, and the best checkpoint is never wrong."""

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_validation import of_steps, of_validations
from toy_training import KilledError, ToyStream, silent, toy_config, train_on
from toy_validation import ToyPass, validated_run

from ib_data.errors import IbDataError
from ib_data.interrupts import Interrupted
from ib_data.training.loop import checkpoint as checkpoints
from ib_data.training.loop import trainer
from ib_data.training.loop.keeping import best
from ib_data.training.loop.record import checkpoints_of, require_whole


def state(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state.json").read_text())["validation"]
    return found


def once(number: int, do: Callable[[], None]) -> Callable[[int], None]:
    """Does something the first time that this number of the pass is read."""
    left = [do]

    def before(found: int) -> None:
        if found == number and left:
            left.pop()()

    return before


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def lowest(out: Path) -> Path:
    """The checkpoint with the lowest mean of all that the log lists."""
    means = {row["step"]: row["validation_mean"] for row in of_validations(out)}
    return out / f"step-{min(means, key=lambda step: means[step]):06d}"


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six steps, validated after 2, 4 and 6 and also saved after 3."""
    out: Path = tmp_path_factory.mktemp("straight") / "run"
    validated_run(toy_config(validate_every=2), out)
    return out


def same_as(straight: Path, out: Path) -> None:
    assert of_steps(out) == of_steps(straight)
    assert of_validations(out) == of_validations(straight)
    weights = [load_file(run / "step-000006" / "trained.safetensors") for run in (straight, out)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_step_that_is_validated_is_saved(straight: Path) -> None:
    assert [path.name for path in reversed(checkpoints_of(straight))] == [f"step-00000{n}" for n in (2, 3, 4, 6)]
    assert [bool(state(path)) for path in reversed(checkpoints_of(straight))] == [True, False, True, True]
    assert best(straight) == lowest(straight)


def test_a_run_keeps_the_best_the_last_and_the_newest_others(tmp_path: Path) -> None:
    # At a rate this high the loss rises again, so that the best is not the last.
    config = toy_config(steps=8, validate_every=1, keep=1, learning_rate=1.0, warmup_steps=0)
    validated_run(config, tmp_path)
    found, kept = best(tmp_path), [path.name for path in reversed(checkpoints_of(tmp_path))]
    assert found == lowest(tmp_path)
    assert kept == sorted(
        {found.name, "step-000007", "step-000008"} | ({"step-000006"} if "7" in found.name else set())
    )
    for folder in checkpoints_of(tmp_path):
        require_whole(folder)


def test_without_validation_the_last_and_the_newest_others_are_kept(tmp_path: Path) -> None:
    train_on(toy_config(save_every=1, keep=1), ToyStream(), tmp_path, silent)
    assert [path.name for path in checkpoints_of(tmp_path)] == ["step-000006", "step-000005"]
    assert best(tmp_path) is None


def test_a_signal_in_a_validation_stops_it_and_keeps_the_step(straight: Path, tmp_path: Path) -> None:
    config = toy_config(validate_every=2)
    with pytest.raises(Interrupted, match="interrupted; saved up to step 2 in"):
        validated_run(config, tmp_path, pinned=ToyPass(before=once(3, interrupt)))
    assert state(tmp_path / "step-000002") == {}
    assert (len(of_steps(tmp_path)), of_validations(tmp_path)) == (2, [])
    said: list[str] = []
    assert validated_run(config, tmp_path, say=said.append).num_new_steps == 4
    assert "resuming at step 2 of 6" in said
    assert any(line.startswith("validation after step 2: loss ") for line in said)
    assert state(tmp_path / "step-000002") == state(straight / "step-000002")
    same_as(straight, tmp_path)


def test_a_signal_in_the_last_validation_is_not_a_finished_run(straight: Path, tmp_path: Path) -> None:
    config = toy_config(validate_every=2)
    validated_run(toy_config(steps=6, validate_every=2, save_every=6), tmp_path)
    others = ToyPass(fingerprint="others", before=once(3, interrupt))
    with pytest.raises(Interrupted, match="interrupted; saved up to step 6 in"):
        validated_run(config, tmp_path, pinned=others)
    assert state(tmp_path / "step-000006")["examples"] == "toy"
    assert validated_run(config, tmp_path, pinned=ToyPass(fingerprint="others")).num_new_steps == 0
    assert state(tmp_path / "step-000006")["examples"] == "others"
    assert best(tmp_path) == tmp_path / "step-000006"
    assert not list(tmp_path.glob("step-*.*"))
    assert of_steps(tmp_path) == of_steps(straight)


def test_a_signal_in_a_step_leaves_its_validation_to_the_next_call(straight: Path, tmp_path: Path, monkeypatch) -> None:
    real, numbers = trainer.step_gradients, iter(range(100))

    def signalled(*given: Any, **named: Any) -> Any:
        if next(numbers) == 5:
            interrupt()
        return real(*given, **named)

    config = toy_config(validate_every=2)
    with monkeypatch.context() as patched:
        patched.setattr(trainer, "step_gradients", signalled)
        with pytest.raises(Interrupted, match="saved up to step 6 in"):
            validated_run(config, tmp_path)
    assert state(tmp_path / "step-000006") == {}
    assert validated_run(config, tmp_path).num_new_steps == 0
    same_as(straight, tmp_path)


def test_killed_in_or_after_a_validation_the_steps_since_the_last_save_are_repeated(
    straight: Path, tmp_path: Path, monkeypatch
) -> None:
    config = toy_config(validate_every=2)

    def kill() -> None:
        raise KilledError

    with pytest.raises(KilledError):
        validated_run(config, tmp_path, pinned=ToyPass(before=once(3, kill)))
    assert [path.name for path in checkpoints_of(tmp_path)] == ["step-000002"]  # saved before the validation
    assert state(tmp_path / "step-000002") == {}
    real = checkpoints.save

    def killed(run: Path, snapshot: Any) -> Path:
        if snapshot.step == 4:
            raise KilledError
        return real(run, snapshot)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save", killed)
        with pytest.raises(KilledError):
            validated_run(config, tmp_path)
    assert [row["step"] for row in of_validations(tmp_path)] == [2]
    assert best(tmp_path) == tmp_path / "step-000002"
    validated_run(config, tmp_path)
    same_as(straight, tmp_path)
    assert best(tmp_path) == lowest(tmp_path)


def test_a_stream_that_fails_in_a_validation_keeps_the_step(tmp_path: Path) -> None:
    def fail() -> None:
        raise IbDataError("toy: shard 7 is damaged; build toy again")

    with pytest.raises(IbDataError, match=r"shard 7 is damaged; build toy again; saved up to step 2 in"):
        validated_run(toy_config(validate_every=2), tmp_path, pinned=ToyPass(before=once(3, fail)))
    assert state(tmp_path / "step-000002") == {}


@pytest.mark.parametrize("step", [4, 6])
def test_a_full_disk_keeps_what_was_saved_and_removes_nothing(tmp_path: Path, monkeypatch, step: int) -> None:
    config = toy_config(validate_every=2, save_every=6, keep=0)
    real = checkpoints.write_record

    def full(folder: Path, number: int) -> None:
        if number == step:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(folder, number)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write_record", full)
        with pytest.raises(
            IbDataError, match=f"step-00000{step}: cannot be saved .No space left on device.; step-00000"
        ):
            validated_run(config, tmp_path)
    kept = checkpoints_of(tmp_path)
    assert kept[0].name == f"step-00000{step - 2}"
    for folder in kept:
        require_whole(folder)
    assert not list(tmp_path.glob("step-*.*"))
    assert validated_run(config, tmp_path).num_new_steps == 6 - (step - 2)
    assert best(tmp_path) == lowest(tmp_path)


def test_a_full_disk_while_a_validation_is_repeated_keeps_the_checkpoint(tmp_path: Path, monkeypatch) -> None:
    validated_run(toy_config(validate_every=2, steps=3), tmp_path)
    before = state(tmp_path / "step-000003")

    def full(folder: Path, step: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_record", full)
    with pytest.raises(IbDataError, match="step-000003: cannot be saved"):
        validated_run(toy_config(validate_every=2, steps=3), tmp_path, pinned=ToyPass(fingerprint="others"))
    require_whole(tmp_path / "step-000003")
    assert state(tmp_path / "step-000003") == before
    assert not list(tmp_path.glob("step-*.*"))


def test_a_longer_run_keeps_the_validations_before(tmp_path: Path) -> None:
    validated_run(toy_config(steps=3, validate_every=2), tmp_path)
    validated_run(toy_config(steps=5, validate_every=2), tmp_path)
    assert [row["step"] for row in of_validations(tmp_path)] == [2, 3, 4, 5]
    assert [step for step, _ in of_steps(tmp_path)] == list(range(5))


def test_validation_that_is_switched_on_later_begins_with_the_last_step(tmp_path: Path) -> None:
    train_on(toy_config(), ToyStream(), tmp_path, silent)
    outcome = validated_run(toy_config(validate_every=4), tmp_path)
    assert outcome.num_new_steps == 0
    assert best(tmp_path) == outcome.checkpoint == tmp_path / "step-000006"
    assert [row["step"] for row in of_validations(tmp_path)] == [6]
