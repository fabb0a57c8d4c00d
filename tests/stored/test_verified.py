"""A shard that was altered after the build is refused; one that was only copied is hashed once a machine."""

import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from functools import cache
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

import ib_data.stored.verified as verified_module
from ib_data.errors import DataError, IbDataError
from ib_data.home import MANIFEST, Home
from ib_data.mixtures.stream.stream import open_stream
from ib_data.stored.manifest import Shard, read_manifest
from ib_data.stored.store import LocalStore

Build = Callable[..., Path]
SHARD = "vqav2-train-000000.tar"


@pytest.fixture
def folder(tmp_path: Path, build_split: Build) -> Path:
    built = build_split(Home(tmp_path), "vqav2", 20)
    as_built(built)
    return built


@cache
def as_built(folder: Path) -> Shard:
    """The shard as the manifest described it before a test did anything to either."""
    manifest = read_manifest(folder, "vqav2")
    assert manifest is not None
    (found,) = (shard for shard in manifest.shards if shard.name == SHARD)
    return found


def alter(shard: Path, old: bytes, new: bytes) -> None:
    """Write other bytes of the same length, later than the manifest was written."""
    assert len(old) == len(new)
    data = shard.read_bytes()
    assert old in data
    shard.write_bytes(data.replace(old, new))
    make_newer(shard)


def make_newer(shard: Path) -> None:
    written_ns = (shard.parent / MANIFEST).stat().st_mtime_ns
    os.utime(shard, ns=(written_ns, written_ns + 1))


def opened(store: LocalStore, folder: Path) -> None:
    os.close(store.open(folder, as_built(folder)))


def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of shards that are hashed from now on."""
    found: list[str] = []
    real = hashlib.file_digest

    def noted(file: object, name: str) -> object:
        found.append(name)
        return real(file, name)  # type: ignore[call-overload]

    monkeypatch.setattr(verified_module.hashlib, "file_digest", noted)
    return found


@pytest.mark.parametrize(("old", "new"), [(b"what colour", b"what number"), (b"vqav2 3vqav2 3", bytes(14))])
def test_other_content_of_the_same_size_is_refused(folder: Path, tmp_path: Path, old: bytes, new: bytes) -> None:
    """Words in the JSON, or bytes inside a picture."""
    shard = folder / SHARD
    opened(LocalStore(Home(tmp_path)), folder)
    alter(shard, old, new)
    store = LocalStore(Home(tmp_path))
    for _ in range(2):  # a failure is not remembered as a success
        says = rf"vqav2: {shard}: expected sha256 \w{{64}} as the manifest says, found \w{{64}}; .*build vqav2 again"
        with pytest.raises(DataError, match=says):
            opened(store, folder)


def test_a_shard_that_is_not_newer_than_the_manifest_is_not_hashed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = hashed(monkeypatch)
    opened(LocalStore(Home(tmp_path)), folder)
    written_ns = (folder / MANIFEST).stat().st_mtime_ns
    os.utime(folder / SHARD, ns=(written_ns, written_ns))
    opened(LocalStore(Home(tmp_path)), folder)
    assert found == []
    assert not (tmp_path / "cache" / "verified").exists()


def test_a_copied_home_is_hashed_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Home(tmp_path / "copy")
    shutil.copytree(tmp_path / "shards", copy.root / "shards", copy_function=shutil.copyfile)
    place = copy.split("vqav2", "train")
    make_newer(place / SHARD)
    found = hashed(monkeypatch)
    for _ in range(2):
        store = LocalStore(copy)
        opened(store, place)
        opened(pickle.loads(pickle.dumps(store)), place)  # noqa: S301 (as a worker receives it)
    assert found == ["sha256"]
    os.utime(place / SHARD)
    opened(LocalStore(copy), place)
    assert found == ["sha256"] * 2  # another state of it


def test_without_a_cache_each_process_hashes_for_itself(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    make_newer(folder / SHARD)
    found = hashed(monkeypatch)
    store = LocalStore(Home(tmp_path))
    for _ in range(3):
        opened(store, folder)
    assert found == ["sha256"]
    alter(folder / SHARD, b"what colour", b"what number")
    os.utime(folder / SHARD)
    with pytest.raises(DataError, match="expected sha256"):
        opened(store, folder)


_barrier: Barrier


def _wait_for_each_other(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _num_hashed(home: Home, folder: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        found = hashed(patch)
        _barrier.wait(300)
        opened(LocalStore(home), folder)
    return len(found)


def test_of_two_processes_one_hashes(folder: Path, tmp_path: Path) -> None:
    make_newer(folder / SHARD)
    context = get_context("spawn")
    with context.Pool(2, _wait_for_each_other, (context.Barrier(2),)) as pool:
        assert sum(pool.starmap(_num_hashed, [(Home(tmp_path), folder)] * 2, chunksize=1)) == 1


def test_without_its_manifest_a_shard_is_not_opened(folder: Path, tmp_path: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(DataError, match=rf"vqav2: \S+{MANIFEST}: cannot be read: No such file.*; build vqav2 again"):
        opened(LocalStore(Home(tmp_path)), folder)


def test_a_split_that_was_built_anew_is_refused_whatever_its_size_and_time(folder: Path, tmp_path: Path) -> None:
    """As a build does while a stream is open: other shards of that size, older than the manifest that names them."""
    for store in (LocalStore(Home(tmp_path)), LocalStore(Home(tmp_path))):
        opened(store, folder)
        alter(folder / SHARD, b"what colour", b"what number")
        text = (folder / MANIFEST).read_text()
        sha256 = hashlib.sha256((folder / SHARD).read_bytes()).hexdigest()
        (folder / MANIFEST).unlink()
        (folder / MANIFEST).write_text(text.replace(as_built(folder).sha256, sha256))
        with pytest.raises(
            DataError, match=rf"vqav2: {folder / SHARD}: the shard was built again in the meantime; open the s"
        ):
            opened(store, folder)
        (folder / MANIFEST).write_text(text)
        alter(folder / SHARD, b"what number", b"what colour")


def loop(shard: Path) -> None:
    shard.unlink()
    shard.symlink_to(shard.name)


def folder_instead(shard: Path) -> None:
    shard.unlink()
    shard.mkdir()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (loop, "shard cannot be read: Too many levels of symbolic links; .*build vqav2 again"),
        (folder_instead, "expected 20,480 bytes as the manifest says, found no plain file; build vqav2 again"),
    ],
)
def test_what_is_no_file_is_named(folder: Path, tmp_path: Path, harm: Callable[[Path], None], says: str) -> None:
    harm(folder / SHARD)
    with pytest.raises(DataError, match=rf"vqav2: \S+{SHARD}: {says}"):
        opened(LocalStore(Home(tmp_path)), folder)


def test_a_build_writes_its_manifest_last_and_mends_an_altered_shard(cli: Callable[..., object], home: Home) -> None:
    """Of real shards none is hashed; altered ones stop the stream, and the remedy that it names helps."""
    words = ("build", "okvqa", "--mini", "--home", home.root)
    assert cli(*words).code == 0  # type: ignore[attr-defined]
    folder = home.split("okvqa", "train")
    (shard,) = folder.glob("*.tar")
    assert shard.stat().st_mtime_ns <= (folder / MANIFEST).stat().st_mtime_ns

    def read() -> list[str]:
        stream = open_stream(home, "demo", available=True)
        return [example.rendered.instruction for example in stream.batch(0, 40)]

    whole, before = shard.read_bytes(), read()
    alter(shard, b'"question":"What', b'"question":"Whom')
    with pytest.raises(IbDataError, match=rf"okvqa: {shard}: expected sha256 .*build okvqa again"):
        read()
    again = cli(*words)
    assert f"okvqa/train: {shard.name} is missing or damaged; building again" in again.err  # type: ignore[attr-defined]
    assert (shard.read_bytes(), read()) == (whole, before)
