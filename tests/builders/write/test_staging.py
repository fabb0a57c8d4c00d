"""A stopped build's shards are reused if they are complete and unchanged."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from official import lay_vqav2, photo

from ib_data.builders.source.official_files import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write import build as build_module
from ib_data.builders.write import staging
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.check import problems
from ib_data.cards import load_card
from ib_data.errors import DataError
from ib_data.home import Home
from ib_data.stored.built_split import open_built
from ib_data.stored.manifest import read_manifest


def build(home: Home, source: Path, workers: int = 1, **options: object):
    job = Build(
        home=home,
        fetcher=Fetcher(downloads=home.downloads, mirror="file:///nowhere"),
        folders=SourceFolders((source,)),
        options=Options(workers=workers, samples_per_shard=2, **options),
    )
    return build_dataset(load_card("vqav2"), job)


def contents(home: Home) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in home.split("vqav2", "train").iterdir()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return lay_vqav2(tmp_path / "source", num_images=6)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the shards that are written from here on, by one worker."""
    names: list[str] = []
    real = staging.write_shard
    monkeypatch.setattr(staging, "write_shard", lambda job: names.append(job.name) or real(job))
    return names


@pytest.fixture
def stopped(home: Home, source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The staging folder of a build that was stopped when its three shards were written."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build_module, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            build(home, source)
    return home.staging("vqav2", "train")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def sealed(value: object) -> Callable[[Path], None]:
    """A result of this value with its right checksum, as another version might have written it."""

    def write(path: Path) -> None:
        text = json.dumps(value)
        path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")

    return write


TAR, ROWS, RESULT = "whole/{}", "parts/{}.rows.parquet", "parts/{}.result.json"
HARMS = [
    *((name, harm) for name in (TAR, ROWS, RESULT) for harm in (flip, cut, empty, Path.unlink)),
    (RESULT, lambda path: path.write_text('[{"x": 1}, []]')),
    (RESULT, lambda path: path.write_bytes(b"\xff")),
    *((RESULT, sealed(value)) for value in ({}, 1, ["", {"x": 1}, [], ""], ["", {}, [], "", 1])),
]


@pytest.mark.parametrize(("name", "harm"), HARMS)
def test_a_damaged_staged_shard_is_rewritten(home, source, stopped, written, name, harm) -> None:
    shard = "vqav2-train-000001.tar"
    harm(stopped / name.format(shard))
    build(home, source)
    assert written == [shard]
    assert list(problems(load_card("vqav2"), open_built(home, "vqav2", "train", verify=False), decode=True)) == []


def test_complete_shards_are_reused_with_the_same_bytes(home, source, stopped, written, tmp_path) -> None:
    build(home, source)
    assert written == []
    other = Home(tmp_path / "other")
    build(other, source)
    assert contents(home) == contents(other)


@pytest.mark.parametrize("data", [b"\xff", b"", b"{}", None])
def test_a_staged_build_with_another_recipe_is_restarted(home, source, stopped, written, data) -> None:
    path = stopped / "parts" / "recipe.json"
    path.unlink()
    path.mkdir() if data is None else path.write_bytes(data)
    build(home, source)
    assert len(written) == 3
    assert list(problems(load_card("vqav2"), open_built(home, "vqav2", "train", verify=False), decode=True)) == []


def test_a_changed_image_affects_only_its_own_shard(home, source, stopped, written, tmp_path) -> None:
    (source / "train2014" / "COCO_train2014_000000000003.jpg").write_bytes(photo(200))
    build(home, source)
    assert written == ["vqav2-train-000001.tar"]
    other = Home(tmp_path / "other")
    build(other, source)
    assert contents(home) == contents(other)


def test_all_unreadable_images_are_reported_in_one_line(home, source, written, cli) -> None:
    photos = source / "train2014"
    for image in (3, 5, 6):
        (photos / f"COCO_train2014_{image:012d}.jpg").write_bytes(b"<html>")
    with pytest.raises(DataError) as error:
        build(home, source)
    first = photos / "COCO_train2014_000000000003.jpg"
    line = str(error.value)
    assert line.startswith(f"vqav2: {first}: vqav2-train-000000000003: 3 of 6 images cannot be read (6 annotations)")
    for part in ("known image format", "fetch them again", "--allow-missing", "the same command reuses finished"):
        assert part in line
    assert not home.split("vqav2", "train").exists()
    written.clear()
    for image in (3, 5, 6):
        (photos / f"COCO_train2014_{image:012d}.jpg").write_bytes(photo(image))
    build(home, source)
    assert written == ["vqav2-train-000001.tar", "vqav2-train-000002.tar"]
    assert read_manifest(home.split("vqav2", "train"), "vqav2").num_samples == 6


def test_workers_report_all_unreadable_images(home, source) -> None:
    for image in (1, 6):
        (source / "train2014" / f"COCO_train2014_{image:012d}.jpg").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"000000000001\.jpg: .*: 2 of 6 images cannot be read \(4 annotations\)"):
        build(home, source, workers=2)


def test_shards_with_drops_are_not_reused_if_drops_are_errors(home, source, written, monkeypatch) -> None:
    (source / "train2014" / "COCO_train2014_000000000003.jpg").write_bytes(b"<html>")
    with pytest.raises(DataError):
        build(home, source)
    written.clear()
    monkeypatch.setattr(build_module, "swap", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build(home, source, allow_missing=True)
    assert written == ["vqav2-train-000001.tar"]  # the other two were kept
    with pytest.raises(DataError, match="1 of 6 images cannot be read"):
        build(home, source)


def test_a_script_without_a_guard_builds_with_several_workers(source: Path, tmp_path: Path) -> None:
    """Spawned processes that imported it would build too, and wait for the lock of the process that started them."""
    script = tmp_path / "script.py"
    script.write_text(f"""
from pathlib import Path
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_options import Options
from ib_data.builders.write.opened import opened_build
from ib_data.cards import load_card
from ib_data.home import Home

print("begun", __file__, __spec__)
options = Options(media=False, workers=2, samples_per_shard=3)
with opened_build(Home({str(tmp_path / "home")!r}), options, sources=[Path({str(source)!r})]) as opened:
    (manifest,) = build_dataset(load_card("vqav2"), opened, "train")
print(len(manifest.shards), "shards", __file__, __spec__)
""")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, f"begun {script} None\n2 shards {script} None\n"), done.stderr
