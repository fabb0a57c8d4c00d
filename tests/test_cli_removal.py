"""`ib-data rm` and `ib-data clean` ask, then delete only what was named and only files of ib-data."""

import json
from pathlib import Path

import pytest
from filelock import FileLock

from ib_data.home import Home


@pytest.fixture
def full(home: Home) -> Home:
    """A home with two splits of vsr and something of every kind."""
    home.mark()
    for split in ("train", "test"):
        folder = home.split("vsr", split)
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
        (folder / "vsr.tar").write_bytes(bytes(1000))
    for folder in (home.cache, home.miniature, home.draws, home.downloads / "host", home.root / "staging", home.runs):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(bytes(2000))
    home.quarantine.write_bytes(bytes(10))
    return home


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch):
    def give(text: str) -> None:
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _prompt: text)

    return give


@pytest.mark.parametrize("verb", ["rm vsr --json", "clean --json"])
def test_json_asks_nothing_and_wants_yes(verb: str, full: Home, cli) -> None:
    result = cli(*verb.split(), "--home", full.root)
    assert (result.code, result.out) == (2, "")
    assert "--yes" in result.err
    assert "--dry-run" in result.err
    assert (full.cache.exists(), full.split("vsr", "train").exists()) == (True, True)
    assert json.loads(cli(*verb.split(), "--dry-run", "--home", full.root).out)["deleted"] is False


@pytest.mark.usefixtures("no_catalog")
def test_rm_asks_and_deletes_only_the_named_split(full: Home, cli, answer) -> None:
    answer("n")
    result = cli("rm", "vsr", "--home", full.root)
    assert (result.code, full.split("vsr", "train").exists()) == (1, True)
    assert "vsr/train" in result.out
    assert "1.0 KB" in result.out
    answer("y")
    assert cli("rm", "vsr", "--split", "test", "--home", full.root).code == 0
    assert [path.name for path in full.split("vsr", "test").parent.iterdir()] == ["train"]
    assert (full.downloads / "host" / "file").exists()


def test_rm_without_an_answer_or_with_only_a_variable_deletes_nothing(full: Home, cli, monkeypatch) -> None:
    def end_of_file(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("click.termui.visible_prompt_func", end_of_file)
    monkeypatch.setenv("IB_DATA_YES", "1")
    monkeypatch.setenv("IB_DATA_RM_YES", "1")
    result = cli("rm", "vsr", "--home", full.root)
    assert (result.code, full.split("vsr", "train").exists()) == (1, True)
    assert "--yes" in result.err


def test_rm_updates_the_catalog(cli, home: Home) -> None:
    made = ("--mini", "--mini-size", 5, "--no-media", "--workers", 1, "--split", "test")
    assert cli("build", "vsr", *made, "--home", home.root).code == 0
    stamp = home.catalog.stat().st_mtime_ns
    assert json.loads(cli("rm", "vsr", "--yes", "--json", "--home", home.root).out)["deleted"] is True
    assert home.catalog.stat().st_mtime_ns > stamp
    (row,) = json.loads(cli("sql", "SELECT count(*) AS n FROM samples", "--json", "--home", home.root).out)
    assert row == {"n": 0}


@pytest.mark.parametrize(("verb", "name"), [("rm vsr --yes", "vsr-train"), ("clean --yes", "okvqa-train")])
def test_a_running_build_is_respected(verb: str, name: str, full: Home, cli) -> None:
    full.lock(name).parent.mkdir()
    with FileLock(full.lock(name)):
        result = cli(*verb.split(), "--home", full.root)
    assert (result.code, full.cache.exists(), full.split("vsr", "train").exists()) == (1, True, True)
    assert f"{name} is being built" in result.err


@pytest.mark.parametrize("verb", ["rm vsr --yes", "clean --yes"])
def test_a_folder_that_is_not_a_home_is_left_alone(verb: str, full: Home, cli) -> None:
    (full.root / "ib_data_home.txt").unlink()
    result = cli(*verb.split(), "--home", full.root)
    assert (result.code, full.cache.exists(), full.split("vsr", "train").exists()) == (1, True, True)
    assert "is not a home" in result.err


@pytest.mark.parametrize(("verb", "place"), [("rm vsr --yes", "shards/vsr"), ("clean --yes", "cache")])
def test_a_link_is_not_followed(verb: str, place: str, full: Home, cli, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (full.root / place).rename(elsewhere)
    (full.root / place).symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    result = cli(*verb.split(), "--home", full.root)
    assert result.code == 1
    assert "is a link" in result.err
    assert sorted(elsewhere.rglob("*")) == before


def test_links_are_deleted_but_not_their_targets(full: Home, cli, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (full.cache / "link").symlink_to(kept)
    assert cli("clean", "--cache", "--yes", "--home", full.root).code == 0
    assert not full.cache.exists()
    assert (kept / "file").exists()


def test_clean_keeps_downloads_and_what_cannot_be_recreated(full: Home, cli) -> None:
    result = cli("clean", "--yes", "--json", "--home", full.root)
    found = json.loads(result.out)
    sizes = {item["what"]: item["bytes"] for item in found["items"]}
    assert sizes == {"cache": 2000, "staging": 2000, "miniature": 2000, "quarantine": 10}
    assert found["bytes"] == 6010
    left = {path.name for path in full.root.iterdir()} - {"locks"}
    assert left == {"ib_data_home.txt", "shards", "downloads", "draws", "runs"}
    assert "nothing to delete" in cli("clean", "--home", full.root).out


def test_clean_deletes_downloads_on_request(full: Home, cli, monkeypatch) -> None:
    monkeypatch.setenv("IB_DATA_CLEAN_DRAWS", "1")
    assert cli("clean", "--downloads", "--dry-run", "--home", full.root).code == 0
    assert full.downloads.exists()
    assert cli("clean", "--downloads", "--yes", "--home", full.root).code == 0
    assert not full.downloads.exists()
    assert full.cache.exists()
    assert full.draws.exists()


def test_nothing_built_is_an_error_of_rm(full: Home, cli) -> None:
    result = cli("rm", "vsr", "okvqa", "--yes", "--home", full.root)
    assert (result.code, full.split("vsr", "train").exists()) == (1, True)
    assert "okvqa" in result.err
    assert cli("rm", "vqav2_qg", "--yes", "--home", full.root).code == 2
