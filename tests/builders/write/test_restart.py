"""A build gives the same bytes with any number of workers, and after being killed at any point."""

import hashlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from official import lay_vqav2

from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write import shard_writer as shards
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.check import problems
from ib_data.cards import load_card
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.stored.built_split import open_built
from ib_data.stored.index import DROPS_SCHEMA, write_table
from ib_data.stored.manifest import DROPS, read_manifest


def build(home: Home, source: Path, workers: int) -> None:
    options = Options(workers=workers, samples_per_shard=2)
    fetcher = Fetcher(downloads=home.downloads)
    build_dataset(
        load_card("vqav2"), Build(home=home, fetcher=fetcher, folders=SourceFolders((source,)), options=options)
    )


def build_killed(step: str, number: int, home: Home, source: Path) -> None:
    """A build that kills itself at the n-th call of a step, without any clean-up, in a process of its own."""
    owner = {"replace": Path, "write": shards._Hashed, "write_text": Path}[step]
    real, calls = getattr(owner, step), []

    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    pid = os.fork()  # a fresh interpreter takes a second more
    if pid == 0:
        setattr(owner, step, counted)
        try:
            build(home, source, workers=1)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def killed(_job: object) -> None:
    """What the system does to a worker that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def contents(home: Home) -> dict[str, str]:
    """Every file of the finished split by its checksum; nothing else may be left."""
    assert not list(home.root.glob("staging/*/*"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in home.split("vqav2", "train").iterdir()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_vqav2(tmp_path_factory.mktemp("source"), num_images=5)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, source: Path) -> dict[str, str]:
    home = Home(tmp_path_factory.mktemp("home"))
    build(home, source, workers=1)
    return contents(home)


def test_the_result_is_shards_index_drops_and_manifest(expected: dict[str, str]) -> None:
    tars = {f"vqav2-train-{number:06d}.tar" for number in range(3)}
    assert expected.keys() == {*tars, "index.parquet", "drops.parquet", "manifest.json"}


def test_the_number_of_workers_changes_no_byte(home: Home, source: Path, expected: dict[str, str]) -> None:
    build(home, source, workers=3)
    assert contents(home) == expected


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("write", 1),
        ("write", 9),
        ("replace", 1),
        ("replace", 2),
        ("replace", 3),
        ("replace", 7),
        ("replace", 10),
        ("write_text", 5),
    ],
)
def test_a_killed_build_resumes_with_the_same_bytes(home, source, expected, step: str, number: int) -> None:
    build_killed(step, number, home, source)
    assert read_manifest(home.split("vqav2", "train"), "vqav2") is None
    build(home, source, workers=1)
    assert contents(home) == expected


def test_a_killed_rebuild_leaves_the_earlier_build_readable(home, source, tmp_path) -> None:
    build(home, lay_vqav2(tmp_path / "small", num_images=1), workers=1)
    build_killed("replace", 8, home, source)
    built = open_built(home, "vqav2", "train", verify=False)
    assert built.num_samples == 1
    assert list(problems(load_card("vqav2"), built, decode=True)) == []


def test_finished_shards_are_not_written_again(home, source, monkeypatch) -> None:
    build_killed("replace", 7, home, source)
    written = []
    from ib_data.builders.write import staging as module

    real = module.write_shard
    monkeypatch.setattr(module, "write_shard", lambda job: written.append(job.name) or real(job))
    build(home, source, workers=1)
    assert written == ["vqav2-train-000002.tar"]


@pytest.mark.parametrize("number", [9, 10, 11])
def test_a_rebuild_killed_at_its_end_leaves_one_complete_build(home, source, tmp_path, expected, number: int) -> None:
    """Kills around the two renames that exchange the old build for the new one."""
    build(home, lay_vqav2(tmp_path / "small", num_images=1), workers=1)
    build_killed("replace", number, home, source)
    build(home, source, workers=1)
    assert contents(home) == expected


def test_shards_of_another_recipe_are_not_reused(home, source, tmp_path, expected) -> None:
    other = lay_vqav2(tmp_path / "other", num_images=5)
    first = other / "train2014" / "COCO_train2014_000000000001.jpg"
    first.write_bytes((other / "train2014" / "COCO_train2014_000000000002.jpg").read_bytes())
    build_killed("replace", 7, home, other)
    build(home, source, workers=1)
    assert contents(home) == expected


def test_two_builds_of_one_split_take_turns(home, source, expected) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: build(home, source, workers=1), range(3)))
    assert contents(home) == expected


@pytest.mark.parametrize("lost", ["vqav2-train-000001.tar", "index.parquet", "drops.parquet"])
def test_a_build_that_lost_a_file_is_built_again(home, source, expected, capsys, lost: str) -> None:
    build(home, source, workers=1)
    (home.split("vqav2", "train") / lost).unlink()
    build(home, source, workers=1)
    assert contents(home) == expected
    assert f"{lost} is missing or damaged; building again" in capsys.readouterr().err


def test_a_cut_shard_is_built_again(home, source, expected) -> None:
    build(home, source, workers=1)
    tar = home.split("vqav2", "train") / "vqav2-train-000000.tar"
    tar.write_bytes(tar.read_bytes()[:1000])
    build(home, source, workers=1)
    assert contents(home) == expected


def test_a_killed_worker_is_one_line(home, source, monkeypatch) -> None:
    from ib_data.builders.write import staging

    monkeypatch.setattr(staging, "write_shard", killed)
    with pytest.raises(IbDataError, match=r"a worker process was killed; .*fewer --workers"):
        build(home, source, workers=2)


def test_an_empty_result_file_is_ignored(home, source, expected) -> None:
    build_killed("replace", 7, home, source)
    for path in home.root.rglob("*.result.json"):
        path.write_bytes(b"")
    build(home, source, workers=1)
    assert contents(home) == expected


def test_check_finds_later_changes(cli, home, source) -> None:
    build(home, source, workers=1)
    folder = home.split("vqav2", "train")
    assert cli("check", "vqav2", "--decode", "--home", home.root).out == "vqav2/train: ok\n"
    tar = folder / "vqav2-train-000001.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 0xFF
    tar.write_bytes(data)
    (folder / "vqav2-train-000002.tar").unlink()
    result = cli("check", "vqav2", "--decode", "--home", home.root)
    assert result.code == 1
    assert "vqav2-train-000001.tar: sha256 expected" in result.out
    assert "vqav2-train-000002.tar: missing" in result.out
    assert (
        cli("check", "okvqa", "--home", home.root).err
        == "ib-data: okvqa is not built here; run `ib-data build okvqa`\n"
    )


def test_check_counts_annotations_without_drops(home, source) -> None:
    """ScienceQA's card counts problems with an image; the others of the split are drops, and no fault."""
    build(home, source, workers=1)
    built, card = open_built(home, "vqav2", "train", verify=False), load_card("vqav2")
    dropped = {"dataset": "vqav2", "split": "train", "source_id": "x", "reason": "no image"}
    write_table([dropped] * 1000, DROPS_SCHEMA, built.folder / DROPS)
    digest = hashlib.sha256((built.folder / DROPS).read_bytes()).hexdigest()
    many = replace(built, manifest=replace(built.manifest, num_drops=1000, drops_sha256=digest))
    for official, expected in ((10, []), (9, ["holds 10 annotations, the card says 9"])):
        split = replace(card.splits["train"], num_annotations=official)
        assert list(problems(replace(card, splits={**card.splits, "train": split}), many)) == expected
