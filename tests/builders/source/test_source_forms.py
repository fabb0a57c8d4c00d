"""Official files in other forms, and messages about a --source that lacks some."""

import gzip
import json

import pytest
from official import build, lay, lay_vqav2
from sources_of import RIGHT, WRONG, gqa, images, put, put_zip, vsr

from ib_data.errors import DataError

pytestmark = pytest.mark.usefixtures("no_catalog")

# --- forms that people have


@pytest.mark.parametrize("ending", ["jpeg", "JPG", "JPEG"])
def test_other_spellings_of_jpg_are_read(home, tmp_path, ending: str) -> None:
    put(vsr(tmp_path / "s", 1) / "train2017" / f"000000000001.{ending}", RIGHT)
    build(home, tmp_path / "s", name="vsr", split="test")
    assert images(home, "vsr", "test") == {"train2017/000000000001.jpg": RIGHT}


@pytest.mark.parametrize("prefix", ["coco/train2017/", "./train2017/", "train2017\\", ""])
def test_repacked_archives_are_read(home, tmp_path, prefix: str) -> None:
    put_zip(vsr(tmp_path / "s", 1) / "train2017.zip", {f"{prefix}000000000001.jpg": RIGHT})
    build(home, tmp_path / "s", name="vsr", split="test")
    assert images(home, "vsr", "test") == {"train2017/000000000001.jpg": RIGHT}


def test_an_archive_with_none_of_the_wanted_names_is_named(home, tmp_path) -> None:
    put_zip(vsr(tmp_path / "s", 1) / "train2017.zip", {"other/readme.txt": b"-"})
    with pytest.raises(
        DataError, match=r"train2017\.zip: holds none of the 1 wanted: no train2017/0+1\.jpg, but other/"
    ):
        build(home, tmp_path / "s", name="vsr", split="test")


def test_an_annotation_archive_with_a_folder_more_is_read(home, tmp_path) -> None:
    question = {"image": "VizWiz_val_00000003.jpg", "question": "What?", "answers": [{"answer": "a"}], "answerable": 1}
    put_zip(tmp_path / "s" / "Annotations.zip", {"Annotations/val.json": json.dumps([question]).encode()})
    (manifest,) = build(home, tmp_path / "s", name="vizwiz", media=False)
    assert (manifest.split, manifest.num_annotations) == ("validation", 1)
    put_zip(tmp_path / "t" / "Annotations.zip", dict.fromkeys(("a/val.json", "b/val.json"), b"[]"))
    with pytest.raises(DataError, match=r"holds no member 'val\.json', but 'a/val\.json' and 'b/val\.json'"):
        build(home, tmp_path / "t", name="vizwiz", media=False)


def test_a_gzipped_file_is_read(home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "s", photos=False)
    for path in list(source.iterdir()):
        put(path.with_name(f"{path.name}.gz"), gzip.compress(path.read_bytes()))
        path.unlink()
    assert build(home, source, media=False)[0].num_annotations == 6
    for path in source.iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"\.json\.gz: cannot be read as gzip"):
        build(home, source, media=False)


def test_a_cover_counts_under_its_books_number_with_any_ending(home, tmp_path) -> None:
    book = {"split": 3, "questions": ["Who?"], "answers": ["A"], "imageURL": "http://x.org/I/b.gif", "title": "T"}
    lay(tmp_path / "s", "dataset.json", {"8": book})
    put(tmp_path / "s" / "ocr_vqa" / "images" / "8.jpg", RIGHT)
    build(home, tmp_path / "s", name="ocrvqa", split="test")
    assert images(home, "ocrvqa", "test") == {"http://x.org/I/b.gif": RIGHT}


# --- a --source that lacks something


@pytest.mark.parametrize(
    ("dataset", "name", "near"),
    [
        ("gqa", "testdev_balanced.json", "near: testdev_balanced.json"),
        ("gqa", "Testdev_Balanced_Questions.JSON", "near: Testdev_Balanced_Questions.JSON"),
        ("vsr", "test.json", "near: test.json"),
        ("llava_reasoning", "llava_instruct_150k.json", "the three files joined"),
        ("coco_caption", "coco_karpathy_train.json", "a list that LAVIS made"),
    ],
)
def test_a_source_without_the_dataset_is_an_error_with_near_misses(
    cli, home, tmp_path, dataset: str, name: str, near: str
) -> None:
    put(tmp_path / "s" / name, b"[]")
    result = cli("build", dataset, "--source", tmp_path / "s", "--home", home.root)
    assert result.code == 1
    assert result.err.startswith(f"ib-data: {dataset}: nothing of it: --source {tmp_path / 's'} lacks ")
    assert near in result.err


def test_a_note_names_missing_files_before_fetching(home, tmp_path, capsys) -> None:
    source = lay_vqav2(tmp_path / "s", photos=False)
    (source / "v2_mscoco_train2014_annotations.json").rename(source / "annotations_v2_mscoco_train2014.json")
    with pytest.raises(DataError, match="the mirror has no such file"):
        build(home, source, split="train", media=False)
    err = capsys.readouterr().err
    assert "lacks v2_mscoco_train2014_annotations.json (in v2_Annotations_Train_mscoco.zip or bare)" in err
    assert "fetching v2_Annotations_Train_mscoco.zip, " in err
    assert " bytes, from the mirror" in err or "unknown size, from the mirror" in err


def test_a_default_split_that_is_left_out_is_named(home, tmp_path, capsys) -> None:
    row = {"question_id": "q" * 22, "image_id": 3, "question": "?", "choices": ["a", "b"], "correct_choice_idx": 1}
    rows = [{**row, "direct_answers": ["a"], "rationales": ["r"]}]
    lay(tmp_path / "s", "aokvqa_v1p0_val.json", rows)
    build(home, tmp_path / "s", name="aokvqa", media=False)
    assert "aokvqa/train is left out: --source" in capsys.readouterr().err


def test_images_missing_in_the_source_are_fetched_after_a_note(home, tmp_path, capsys) -> None:
    with pytest.raises(DataError, match="the mirror has no such file"):
        build(home, lay_vqav2(tmp_path / "s", photos=False))
    assert "3 images are not in --source" in (err := capsys.readouterr().err)
    assert "fetching train2014.zip, 13.5 GB, from the mirror" in err


def test_missing_and_broken_images_are_reported_together(home, tmp_path) -> None:
    source = lay_vqav2(tmp_path / "s")
    (source / "train2014" / "COCO_train2014_000000000003.jpg").unlink()
    put(source / "train2014" / "COCO_train2014_000000000001.jpg", b"<html>")
    with pytest.raises(DataError, match="1 of 3 images are missing") as caught:
        build(home, source)
    assert "of the others 1 cannot be used, first " in str(caught.value)


def test_images_in_a_wrong_folder_are_named_and_nothing_is_fetched(cli, home, tmp_path) -> None:
    put(gqa(tmp_path / "s", "n1") / "thumbs" / "n1.jpg", WRONG)
    result = cli("build", "gqa", "--source", tmp_path / "s", "--home", home.root)
    assert result.code == 1
    assert "fetching" not in result.err
    assert f"not in its official folder, so not used: {tmp_path / 's' / 'thumbs' / 'n1.jpg'}" in result.err


@pytest.mark.parametrize("name", ["questions1.2.zip", "testdev_balanced_questions.json.gz"])
def test_an_annotation_file_that_differs_from_another_form_of_it_is_named(home, tmp_path, name: str) -> None:
    """An archive that is not the official one, and a gzipped copy, beside the bare member."""
    gqa(tmp_path / "s" / "gqa", "n1")
    other = json.dumps({"0n1": {"imageId": "n1", "question": "Is it?", "answer": "WRONG", "isBalanced": True}}).encode()
    if name.endswith(".zip"):
        put_zip(tmp_path / "s" / "one" / name, {"testdev_balanced_questions.json": other})
    else:
        put(tmp_path / "s" / "gqa" / name, gzip.compress(other))
    with pytest.raises(DataError, match=r"differs from the member|two different files of this name") as caught:
        build(home, tmp_path / "s", name="gqa", split="test", media=False)
    assert name in str(caught.value)
    assert str(tmp_path / "s" / "gqa" / "testdev_balanced_questions.json") in str(caught.value)
