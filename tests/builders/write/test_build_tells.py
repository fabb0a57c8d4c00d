"""What a build reports about the origin of its bytes, and its checks of sizes and repeated images."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from official import build, drops, lay, lay_vqav2, photo
from sources_of import RIGHT, WRONG, images, put, put_zip, vsr

from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import load_card, media_stores
from ib_data.console import size_text
from ib_data.errors import DataError

pytestmark = pytest.mark.usefixtures("no_catalog")

# --- what a build says of it


def test_the_manifest_lists_where_everything_comes_from(home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "s")
    (manifest,) = build(home, source)
    found = {origin["what"]: (origin["place"], origin["num_files"]) for origin in manifest.recipe["origins"]}
    assert found == {
        "questions": ("s/v2_OpenEnded_mscoco_train2014_questions.json", 1),
        "answers": ("s/v2_mscoco_train2014_annotations.json", 1),
        "coco_train2014": ("s/train2014", 3),
    }
    assert str(tmp_path) not in json.dumps(manifest.recipe)


def test_a_dry_run_lists_and_writes_nothing(cli, home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "s")
    (source / "train2014" / "COCO_train2014_000000000003.jpg").unlink()
    result = cli("build", "vqav2", "flickr30k", "--dry-run", "--source", source, "--home", home.root)
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert "vqav2/train coco_train2014 2 - s/train2014 --source, loose files in the official folder" in lines
    assert any(
        line.startswith("vqav2/train coco_train2014 1 - http") and "missing in --source" in line for line in lines
    )
    assert lines[-1] == "nothing to fetch"
    assert not home.root.exists()
    result = cli("build", "vsr", "flickr30k", "--dry-run", "--home", home.root)
    assert result.code == 0
    assert "to fetch if rows need it, by hand: request the photos" in " ".join(result.out.split())
    sizes = {file.url: file.num_bytes for name in ("vsr", "flickr30k") for file in load_card(name).files}
    assert f"to fetch: {size_text(sum(sizes.values()))}" in result.out
    assert cli("build", "vsr", "--mini", "--dry-run", "--home", home.root).code == 2


def test_an_unchanged_build_reads_no_row(home, tmp_path, monkeypatch) -> None:
    source = lay_vqav2(tmp_path / "s")
    (first,) = build(home, source)
    with monkeypatch.context() as patch:
        patch.setattr("ib_data.builders.write.build.group", None)
        assert build(home, source) == [first]
    put(source / "train2014" / "COCO_train2014_000000000001.jpg", photo(77))
    (second,) = build(home, source)
    assert second.shards != first.shards
    (third,) = build(home, source, limit=1, replace=True)
    assert third.num_samples == 1


# --- sizes that a source states


def coco_val(folder: Path, width: int, height: int) -> Path:
    captions = [{"id": 5, "image_id": 1, "caption": "A cat."}]
    lay(
        folder,
        "captions_val2017.json",
        {"images": [{"id": 1, "width": width, "height": height}], "annotations": captions},
    )
    put(folder / "val2017" / "000000000001.jpg", photo(size=(64, 48)))
    return folder


@pytest.mark.parametrize(
    ("width", "height", "is_right"), [(64, 48, True), (48, 64, True), (640, 480, False), (64, 49, False)]
)
def test_an_image_must_have_its_stated_size(home, tmp_path, width, height, is_right) -> None:
    source = coco_val(tmp_path / "s", width, height)
    if is_right:
        assert build(home, source, name="coco_caption")[0].num_samples == 1
    else:
        with pytest.raises(DataError, match=rf"is 64 x 48 pixels, its source states {width} x {height}"):
            build(home, source, name="coco_caption")


def test_a_copy_as_small_as_max_side_is_accepted(home, tmp_path) -> None:
    source = coco_val(tmp_path / "s", 640, 480)
    assert build(home, source, name="coco_caption", max_side=64)[0].num_samples == 1
    with pytest.raises(DataError, match="a smaller copy"):
        build(home, coco_val(tmp_path / "t", 640, 400), name="coco_caption", max_side=64, replace=True)


def test_a_tar_packed_with_a_leading_dot_is_read(home, tmp_path) -> None:
    sentences = [{"raw": "A cat.", "sentid": 1}]
    image = {"filename": "100.jpg", "split": "test", "sentences": sentences, "imgid": 0, "sentids": [1]}
    lay(tmp_path / "s", "dataset_flickr30k.json", {"images": [image], "dataset": "flickr30k"})
    put(tmp_path / "t" / "100.jpg", RIGHT)
    with tarfile.open(tmp_path / "s" / "flickr30k-images.tar.gz", "w:gz") as out:
        out.add(tmp_path / "t" / "100.jpg", "./flickr30k-images/100.jpg")
    build(home, tmp_path / "s", name="flickr30k", split="test")
    assert images(home, "flickr30k", "test") == {"flickr30k-images/100.jpg": RIGHT}


# --- equal bytes under many URLs


def test_a_placeholder_under_many_urls_is_named_and_may_be_dropped(home, tmp_path, capsys) -> None:
    urls = [f"http://x.org/{name}{i}.jpg" for name, num in (("own", 3), ("gone", 4)) for i in range(num)]
    for number, url in enumerate(urls):
        put(tmp_path / "mirror" / url.removeprefix("http://"), WRONG if "gone" in url else photo(100 + number))
    rows = [{"url": url, "caption": f"caption {number}"} for number, url in enumerate(urls)]
    lay(tmp_path / "s", "ccs_synthetic_filtered_large.json", rows)
    given = {"fetcher": Fetcher(downloads=home.downloads, mirror=(tmp_path / "mirror").as_uri())}

    def build_web(**options):
        folders = SourceFolders((tmp_path / "s",))
        job = Build(home=home, folders=folders, options=Options(**options), **given)
        return build_dataset(load_card("web_capfilt"), job)[0]

    assert build_web().num_annotations == 7
    assert (
        "4 of 7 images that were fetched by URL are the same bytes, first http://x.org/gone0.jpg"
        in capsys.readouterr().err
    )
    assert build_web(drop_repeated=4, replace=True).num_annotations == 3
    assert [reason for _, reason in drops(home, "web_capfilt", "train")] == ["same bytes under many URLs"] * 4
    assert build_web(drop_repeated=5).num_annotations == 7


# --- what a second look found


def test_the_third_equal_candidate_is_compared_too(home, tmp_path) -> None:
    vsr(tmp_path / "s" / "a", 1)
    shutil.copytree(tmp_path / "s" / "a", tmp_path / "s" / "b")
    vsr(tmp_path / "s" / "c", 2)
    with pytest.raises(DataError, match=r"two different files of this name: .*/c/"):
        build(home, tmp_path / "s", name="vsr", split="test", media=False)


def test_a_dry_run_fetches_no_optional_file(cli, home, tmp_path, capsys) -> None:
    (file,) = (f for f in load_card("textcaps").files if f.split == "train" and f.role == "annotations")
    put(home.downloads / file.place, json.dumps({"data": [], "dataset_name": "textcaps"}).encode())
    put(tmp_path / "s" / "train_images" / "1.jpg", RIGHT)
    before = sorted(home.root.rglob("*"))
    given = ("--split", "train", "--dry-run", "--source", tmp_path / "s", "--no-media")
    result = cli("build", "textcaps", *given, "--mirror", "file:///nowhere", "--home", home.root)
    assert result.code == 0, result.err
    assert "TextVQA_Rosetta_OCR_v0.2_train.json  to fetch" in " ".join(result.out.split(" ")).replace("   ", "  ")
    assert sorted(home.root.rglob("*")) == before


def test_a_damaged_archive_of_another_dataset_is_ignored(home, tmp_path) -> None:
    question = {"image": "VizWiz_val_00000003.jpg", "question": "What?", "answers": [{"answer": "a"}], "answerable": 1}
    put_zip(tmp_path / "s" / "vizwiz" / "Annotations.zip", {"val.json": json.dumps([question]).encode()})
    put(tmp_path / "s" / "other" / "Annotations.zip", b"PK\x03\x04" + bytes(99))
    assert build(home, tmp_path / "s", name="vizwiz", media=False)[0].num_annotations == 1


def test_a_limit_lists_drops_of_repeated_images_within_it(home, tmp_path) -> None:
    for i in range(12):
        put(tmp_path / "mirror" / "x.org" / f"{i}.jpg", WRONG)
    lay(tmp_path / "s", "ccs_synthetic_filtered_large.json", [])
    rows = [{"url": f"http://x.org/{i}.jpg", "caption": " " if i % 2 else f"caption {i}"} for i in range(12)]
    lay(tmp_path / "s", "ccs_synthetic_filtered_large.json", rows)
    fetcher = Fetcher(downloads=home.downloads, mirror=(tmp_path / "mirror").as_uri())
    folders = SourceFolders((tmp_path / "s",))
    options = Options(limit=2, drop_repeated=2, allow_missing=True)
    job = Build(home=home, folders=folders, options=options, fetcher=fetcher)
    with pytest.raises(DataError, match="no row is kept") as caught:
        build_dataset(load_card("web_capfilt"), job)
    assert int(str(caught.value).split(" dropped: ")[0].rsplit(" ", 1)[1]) < 12


def test_a_damaged_build_is_named_once(home, tmp_path, capsys) -> None:
    source = lay_vqav2(tmp_path / "s")
    (first,) = build(home, source)
    (home.split("vqav2", "train") / first.shards[0].name).unlink()
    assert build(home, source) == [first]
    assert capsys.readouterr().err.count("is missing or damaged; building again") == 1


def test_a_fetched_build_is_unchanged_on_the_next_run(home, tmp_path, monkeypatch) -> None:
    source = lay_vqav2(tmp_path / "s", photos=False)
    archive = put_zip(
        tmp_path / "mirror" / "images.cocodataset.org" / "zips" / "train2014.zip",
        {f"train2014/COCO_train2014_{i:012d}.jpg": photo(i) for i in (1, 2, 3)},
    )
    file = media_stores()["coco_train2014"].file
    fetcher = Fetcher(downloads=home.downloads, mirror=(tmp_path / "mirror").as_uri(), checksums={})
    assert file is not None
    assert archive.is_file()

    def run():
        job = Build(home=home, folders=SourceFolders((source,)), options=Options(), fetcher=fetcher)
        return build_dataset(load_card("vqav2"), job, "train")

    (first,) = run()
    with monkeypatch.context() as patch:
        patch.setattr("ib_data.builders.write.build.group", None)
        assert run() == [first]


def test_staged_shards_are_reused_if_an_image_moved(home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "s")
    broken = put(source / "train2014" / "COCO_train2014_000000000003.jpg", b"<html>")
    with pytest.raises(DataError, match="1 of 3 images cannot be read"):
        build(home, source, samples_per_shard=1)
    kept = home.staging("vqav2", "train") / "whole" / "vqav2-train-000000.tar"
    before = kept.stat().st_mtime_ns, kept.stat().st_ino
    broken.unlink()
    put(source / "train2017" / "000000000003.jpg", RIGHT)
    assert build(home, source, samples_per_shard=1)[0].num_samples == 3
    stat = (home.split("vqav2", "train") / kept.name).stat()
    assert (stat.st_mtime_ns, stat.st_ino) == before
