"""Files and folders are replaced atomically, and unchanged files are recognised by their state."""

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from ib_data.file_state import FileState, sha256_of, state_text
from ib_data.replacing import new_folder, replacing


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("is_locked", [True, False])
def test_the_block_replaces_the_file(tmp_path: Path, is_locked: bool) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path, is_locked=is_locked) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.parent == tmp_path
        assert part.suffix == ".part"
    assert path.read_text() == "new"
    assert names(tmp_path) == {"a.json"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == {"a.json"}


def test_a_block_may_remove_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as part:
        part.write_text("worthless")
        part.unlink()
    assert path.read_text() == "old"


def _killed_while_writing(path: Path) -> None:
    """Write half a file in a child process that is killed before the rename."""
    child = os.fork()
    if child == 0:
        with replacing(path, is_locked=True) as part:
            part.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    _killed_while_writing(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == {"a.json", "a.json.part"}
    with replacing(path, is_locked=True) as part:
        part.write_text("new")
    assert path.read_text() == "new"
    assert names(tmp_path) == {"a.json"}


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    both = threading.Barrier(2)

    def write(text: str) -> None:
        with replacing(path) as part:
            part.write_text(text)
            both.wait()
            assert part.read_text() == text

    threads = [threading.Thread(target=write, args=(text * 1000,)) for text in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in ("x" * 1000, "y" * 1000)
    assert names(tmp_path) == {"a.json"}


def test_an_error_of_the_disk_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "a.json"
    with pytest.raises(FileNotFoundError) as caught, replacing(path) as part:
        part.write_text("new")
    assert caught.value.filename == str(path)


def test_files_are_synced_before_the_rename(tmp_path: Path, monkeypatch) -> None:
    path, seen = tmp_path / "a.json", []
    monkeypatch.setattr(os, "fsync", lambda _descriptor: seen.append(path.exists()))
    with replacing(path) as part:
        part.write_text("new")
    with replacing(tmp_path / "b.json", sync=False) as part:
        part.write_text("new")
    assert seen == [False]


def test_a_folder_is_synced_with_all_that_is_in_it_and_then_its_name(tmp_path: Path, monkeypatch) -> None:
    path, seen = tmp_path / "folder", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_ino, path.exists())))
    with new_folder(path) as folder:
        (folder / "inner").mkdir()
        for name in ("a", "inner/b"):
            (folder / name).write_text(name)
    inside = [path, path / "a", path / "inner", path / "inner" / "b"]
    assert set(seen[:-1]) == {(entry.stat().st_ino, False) for entry in inside}
    assert seen[-1] == (tmp_path.stat().st_ino, True)
    seen.clear()
    with new_folder(tmp_path / "other", sync=False) as folder:
        (folder / "a").write_text("a")
    assert seen == []


def test_a_file_system_that_cannot_sync_folders_still_has_the_new_one(tmp_path: Path, monkeypatch) -> None:
    def refuse(_descriptor: int) -> None:
        if (tmp_path / "folder").exists():
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    with new_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("a")
    assert names(tmp_path) == {"folder"}


def test_a_folder_appears_complete(tmp_path: Path) -> None:
    path = tmp_path / "step"
    (tmp_path / "step.part").mkdir()
    (tmp_path / "step.part" / "left").write_text("by a killed writer")
    with new_folder(path) as folder:
        (folder / "a").write_text("a")
        assert not path.exists()
    assert names(path) == {"a"}
    with pytest.raises(OSError, match="not empty"), new_folder(path) as folder:
        (folder / "b").write_text("b")
    assert names(path) == {"a"}
    with new_folder(path) as folder:
        (folder / "b").write_text("b")
        shutil.rmtree(path)
    assert names(path) == {"b"}
    with pytest.raises(ValueError, match="stop"), new_folder(tmp_path / "other") as folder:
        raise ValueError("stop")
    assert names(tmp_path) == {"step"}


def test_a_state_detects_a_changed_file_and_its_text_accepts_a_copy(tmp_path: Path) -> None:
    path, copy = tmp_path / "a", tmp_path / "b"
    path.write_text("one")
    before = FileState.at(path)
    assert FileState.at(path) == before
    shutil.copy2(path, copy)
    assert FileState.at(copy) != before
    assert state_text(copy) == str(before)
    os.utime(path, ns=(0, before.mtime_ns + 1))
    assert state_text(path) != str(before)
    assert sha256_of(path) == sha256_of(copy)
    assert state_text(tmp_path / "none") == ""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert state_text(tmp_path / "loop") == ""
