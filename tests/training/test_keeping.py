"""Which checkpoints stay, which one is best, and what a killed process leaves."""

import json
import shutil
from pathlib import Path

import pytest

from ib_data.training.loop import keeping, record
from ib_data.training.loop.keeping import best, clean_up, prune, replace_folder, score_of
from ib_data.training.loop.record import checkpoints_of, newest, require_whole, write_record


def checkpoint(run: Path, step: int, mean: float | None = None, examples: str = "same") -> Path:
    """A checkpoint with the files that matter here; without `mean` its step was not validated."""
    folder = run / f"step-{step:06d}"
    folder.mkdir(parents=True)
    validation = {} if mean is None else {"mean": mean, "losses": {"toy": mean}, "examples": examples}
    (folder / "state.json").write_text(json.dumps({"step": step, "validation": validation}))
    write_record(folder, step)
    return folder


def steps(run: Path) -> list[int]:
    return [int(folder.name[5:]) for folder in reversed(checkpoints_of(run))]


def silent(_line: str) -> None:
    pass


@pytest.mark.parametrize(
    ("num_more", "left"), [(0, [2, 6]), (1, [2, 5, 6]), (2, [2, 4, 5, 6]), (9, [1, 2, 3, 4, 5, 6])]
)
def test_the_best_the_last_and_the_newest_others_stay(tmp_path: Path, num_more: int, left: list[int]) -> None:
    for step, mean in enumerate((3.0, 1.0, 2.0, 4.0, 5.0, 6.0), 1):
        checkpoint(tmp_path, step, mean)
    prune(tmp_path, num_more, silent)
    assert steps(tmp_path) == left
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-{step:06d}" for step in left]
    for folder in checkpoints_of(tmp_path):
        require_whole(folder)


def test_the_last_may_be_the_best(tmp_path: Path) -> None:
    for step, mean in enumerate((3.0, 2.0, 1.0), 1):
        checkpoint(tmp_path, step, mean)
    prune(tmp_path, 0, silent)
    assert steps(tmp_path) == [3]
    assert best(tmp_path) == tmp_path / "step-000003"


def test_without_validation_the_last_and_the_newest_others_stay(tmp_path: Path) -> None:
    for step in range(1, 6):
        checkpoint(tmp_path, step)
    assert best(tmp_path) is None
    prune(tmp_path, 1, silent)
    assert steps(tmp_path) == [4, 5]


def test_a_step_that_was_not_validated_is_never_best(tmp_path: Path) -> None:
    checkpoint(tmp_path, 1, 2.0)
    checkpoint(tmp_path, 2)
    assert best(tmp_path) == tmp_path / "step-000001"
    prune(tmp_path, 0, silent)
    assert steps(tmp_path) == [1, 2]


def test_of_equal_losses_the_earlier_is_best(tmp_path: Path) -> None:
    for step, mean in ((1, 2.0), (2, 1.5), (3, 1.5), (4, 1.7)):
        checkpoint(tmp_path, step, mean)
    assert best(tmp_path) == tmp_path / "step-000002"


def test_a_loss_of_zero_is_a_loss(tmp_path: Path) -> None:
    checkpoint(tmp_path, 1, 0.0)
    checkpoint(tmp_path, 2, 1.0)
    assert best(tmp_path) == tmp_path / "step-000001"


def test_only_losses_over_the_same_examples_are_compared(tmp_path: Path) -> None:
    checkpoint(tmp_path, 1, 0.5, examples="few")
    checkpoint(tmp_path, 2, 1.5, examples="many")
    checkpoint(tmp_path, 3, 1.9, examples="many")
    checkpoint(tmp_path, 4)
    assert best(tmp_path) == tmp_path / "step-000002"


@pytest.mark.parametrize("damage", ["state", "record", "not an object"])
def test_a_damaged_state_gives_no_best(tmp_path: Path, damage: str) -> None:
    folder = checkpoint(tmp_path, 1, 1.0)
    checkpoint(tmp_path, 2, 2.0)
    if damage == "state":
        text = (folder / "state.json").read_text()
        (folder / "state.json").write_text(text.replace("1.0", "0.1"))
    elif damage == "record":
        (folder / "checkpoint.json").unlink()
    else:
        (folder / "state.json").write_text("[]")
        write_record(folder, 1)
    assert score_of(folder) is None
    assert best(tmp_path) == tmp_path / "step-000002"


def test_a_removal_that_is_cut_short_leaves_nothing_that_looks_whole(tmp_path: Path, monkeypatch) -> None:
    checkpoint(tmp_path, 1)
    checkpoint(tmp_path, 2)

    def cut(path: Path, **_options: object) -> None:
        if path.exists():
            (path / "checkpoint.json").unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", cut)
        with pytest.raises(KeyboardInterrupt):
            prune(tmp_path, 0, silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000001.removed", "step-000002"]
    assert newest(tmp_path) == tmp_path / "step-000002"
    clean_up(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000002"]


def test_what_cannot_be_removed_is_said_and_stays(tmp_path: Path, monkeypatch) -> None:
    for step in (1, 2, 3):
        checkpoint(tmp_path, step)
    real = keeping._remove

    def remove(folder: Path) -> None:
        if folder.name == "step-000002":
            raise PermissionError(13, "Permission denied")
        real(folder)

    monkeypatch.setattr(keeping, "_remove", remove)
    lines: list[str] = []
    prune(tmp_path, 0, lines.append)
    assert lines == [f"{tmp_path / 'step-000002'}: cannot be removed (Permission denied); remove it by hand"]
    assert steps(tmp_path) == [2, 3]


def renewed(run: Path) -> Path:
    """A new checkpoint that waits for the place of step 2."""
    waiting = checkpoint(run / "other", 2, 1.0)
    return waiting.rename(run / "step-000002.new")


def test_a_checkpoint_is_replaced(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 2)
    replace_folder(folder, renewed(tmp_path))
    shutil.rmtree(tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["step-000002"]
    found = score_of(folder)
    assert found is not None
    assert found.mean == 1.0


def test_a_checkpoint_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 2)
    with pytest.raises(FileNotFoundError):
        replace_folder(folder, tmp_path / "step-000002.new")
    require_whole(folder)


def test_killed_while_replacing_the_old_checkpoint_returns(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 2)
    renewed(tmp_path)
    shutil.rmtree(tmp_path / "other")
    folder.rename(tmp_path / "step-000002.replaced")
    (tmp_path / "step-000003.part").mkdir()
    assert newest(tmp_path) is None
    clean_up(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000002"]
    assert score_of(folder) is None
    require_whole(folder)


def test_a_checkpoint_removed_while_a_reader_looks_for_the_newest_is_the_oldest(tmp_path: Path, monkeypatch) -> None:
    there = checkpoint(tmp_path / "run", 2)
    gone = tmp_path / "run" / "step-000003"
    monkeypatch.setattr(record, "checkpoints_of", lambda _run: [gone, there])
    assert record.saved_last(tmp_path) == [there, gone]
