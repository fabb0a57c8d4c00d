"""Building: the result of a good source, and the error of each bad one."""

import json
import os
import shutil
from pathlib import Path

import pytest
from official import build, drops, lay, lay_vqav2, photo, samples, vqa_answer

from ib_data.builders.write import shard_writer as shards
from ib_data.errors import DataError
from ib_data.stored.manifest import read_manifest

QUESTIONS = "v2_OpenEnded_mscoco_train2014_questions.json"
ANSWERS = "v2_mscoco_train2014_annotations.json"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return lay_vqav2(tmp_path / "source")


def fails(cli, home, source: Path, *more: object, name: str = "vqav2") -> str:
    """The one line of a build that must fail and leave nothing that a later build takes for whole."""
    result = cli("build", name, "--source", source, "--home", home.root, *more)
    lines = [line for line in result.err.splitlines() if line.startswith("ib-data: ")]
    assert result.code == 1, result
    assert len(lines) == 1
    assert "Traceback" not in result.err
    assert not list(home.root.glob("shards/*/*/manifest.json"))
    return lines[0]


def test_all_annotations_of_an_image_are_one_sample(home, source) -> None:
    (manifest,) = build(home, source)
    assert (manifest.num_samples, manifest.num_annotations, manifest.num_drops) == (3, 6, 0)
    sample, data = samples(home, "vqav2", "train")[0]
    assert sample.key == "vqav2-train-000000000001"
    assert sample.media.source_name == "train2014/COCO_train2014_000000000001.jpg"
    assert data == (source / "train2014" / "COCO_train2014_000000000001.jpg").read_bytes()
    assert [a.id for a in sample.annotations] == ["1000", "1001"]
    assert [(a.text, a.count) for a in sample.annotations[0].answers] == [("red", 6), ("dark red", 4)]
    assert sample.annotations[0].extra == {}


def test_a_second_build_does_nothing_and_another_source_rebuilds(home, source) -> None:
    (first,) = build(home, source)
    tar = home.split("vqav2", "train") / first.shards[0].name
    before = tar.stat().st_mtime_ns
    assert build(home, source) == [first]
    assert tar.stat().st_mtime_ns == before
    (source / "train2014" / "COCO_train2014_000000000002.jpg").write_bytes(photo(9, (80, 80)))
    (second,) = build(home, source)
    assert second.shards[0].sha256 != first.shards[0].sha256


def test_limit_takes_the_first_images_and_no_media_none(home, source) -> None:
    shutil.rmtree(source / "train2014")
    (manifest,) = build(home, source, limit=2, media=False)
    assert manifest.num_samples == 2
    sample, data = samples(home, "vqav2", "train")[1]
    assert (sample.key, sample.media.width, data) == ("vqav2-train-000000000002", None, None)


def test_max_side_stores_smaller_images(home, source) -> None:
    (source / "train2014" / "COCO_train2014_000000000001.jpg").write_bytes(photo(9, (400, 200)))
    build(home, source, max_side=100)
    sizes = [(sample.media.width, sample.media.height) for sample, _ in samples(home, "vqav2", "train")]
    assert sizes == [(100, 50), (64, 48), (64, 48)]


def test_an_image_is_found_in_the_archive_of_either_year(home, source) -> None:
    (source / "train2017").mkdir()
    image = source / "train2014" / "COCO_train2014_000000000002.jpg"
    image.rename(source / "train2017" / "000000000002.jpg")
    (manifest,) = build(home, source)
    assert manifest.num_samples == 3


def test_hidden_answers_are_not_drops(home, tmp_path) -> None:
    question = {"image_id": 7, "question": "What?", "question_id": 70}
    name = "v2_OpenEnded_mscoco_test2015_questions.json"
    lay(tmp_path / "s", name, {"questions": [question], "data_subtype": "test2015"})
    (manifest,) = build(home, tmp_path / "s", split="test", media=False)
    assert (manifest.num_annotations, manifest.num_drops) == (1, 0)


def test_rows_are_conserved_and_every_drop_has_a_reason(home, tmp_path) -> None:
    questions = [{"image_id": 5, "question": f"Q{i}?", "question_id": i} for i in range(4)]
    questions.append({"image_id": 5, "question": "  ", "question_id": 4})
    given = {0: ["a", "", "a", " b "], 1: ["", " "], 4: ["x"]}
    annotations = [{"question_id": i, "answers": [vqa_answer(text) for text in texts]} for i, texts in given.items()]
    lay(tmp_path / "s", QUESTIONS, {"questions": questions})
    lay(tmp_path / "s", ANSWERS, {"annotations": annotations})
    (manifest,) = build(home, tmp_path / "s", media=False)
    assert manifest.num_annotations + manifest.num_drops == len(questions)
    without = "question without annotation"
    assert sorted(drops(home, "vqav2", "train")) == [
        ("1", "no answers"),
        ("2", without),
        ("3", without),
        ("4", "no question"),
    ]
    sample, _ = samples(home, "vqav2", "train")[0]
    assert [(a.text, a.count) for a in sample.annotations[0].answers] == [("a", 2), ("b", 1)]


def test_missing_images_are_counted_and_can_be_dropped(cli, home, source) -> None:
    (source / "train2014" / "COCO_train2014_000000000002.jpg").unlink()
    line = fails(cli, home, source)
    assert "1 of 3 images are missing (2 annotations), first train2014/COCO_train2014_000000000002.jpg" in line
    assert "--allow-missing" in line
    (manifest,) = build(home, source, allow_missing=True)
    assert (manifest.num_samples, manifest.num_drops) == (2, 2)
    assert drops(home, "vqav2", "train") == [("2000", "media missing"), ("2001", "media missing")]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (photo(5, (600, 400))[:2000], "is not a whole image"),
        (b"<!DOCTYPE html><html>404</html>", "is of no known image format"),
        (b"", "the file is empty"),
    ],
    ids=["half a JPEG", "an HTML page", "zero bytes"],
)
def test_a_broken_image_is_an_error_or_a_counted_drop(cli, home, source, data: bytes, what: str) -> None:
    broken = source / "train2014" / "COCO_train2014_000000000003.jpg"
    broken.write_bytes(data)
    line = fails(cli, home, source)
    assert what in line
    assert str(broken) in line
    (manifest,) = build(home, source, allow_missing=True)
    assert manifest.num_samples == 2
    assert drops(home, "vqav2", "train") == [("3000", "media unreadable"), ("3001", "media unreadable")]


def test_a_truncated_json_names_the_file_and_the_place(cli, home, source) -> None:
    path = source / QUESTIONS
    path.write_bytes(path.read_bytes()[:200])
    line = fails(cli, home, source)
    assert f"vqav2: {QUESTIONS}: cannot be read as JSON" in line
    assert "line 1 column 184 (char 183)" in line


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"images": [], "annotations": []}, "expected an object with 'questions', found an object with 'images'"),
        ([1, 2], "expected an object with 'questions', found a list"),
        ({"questions": [], "data_subtype": "val2014"}, "expected data_subtype 'train2014', found 'val2014'"),
        ({"questions": [{"question_id": 99, "image_id": 1, "question": "?"}]}, "no question of"),
        ({"questions": []}, "no row of split train"),
    ],
)
def test_a_json_of_another_dataset_is_recognised(cli, home, source, value: object, what: str) -> None:
    lay(source, QUESTIONS, value)
    line = fails(cli, home, source)
    assert what in line


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"image_id": None}, "questions[1]: 'image_id': expected an integer, found None"),
        ({"image_id": "1"}, "questions[1]: 'image_id': expected an integer, found '1'"),
        ({"question": 5}, "questions[1]: 'question': expected a text, found 5"),
        ({"question_id": 1000}, "annotation id '1000' occurs twice (entries 0 and 1, counted from 0)"),
    ],
)
def test_a_faulty_row_is_named(cli, home, source, change: dict, what: str) -> None:
    value = json.loads((source / QUESTIONS).read_text())
    value["questions"][1] |= change
    lay(source, QUESTIONS, value)
    assert what in fails(cli, home, source)


def test_a_missing_key_is_named(cli, home, source) -> None:
    value = json.loads((source / QUESTIONS).read_text())
    del value["questions"][0]["question_id"]
    lay(source, QUESTIONS, value)
    assert "questions[0]: key 'question_id' is missing (expected an integer)" in fails(cli, home, source)


def test_answers_of_another_image_are_an_error(cli, home, source) -> None:
    value = json.loads((source / ANSWERS).read_text())
    value["annotations"][0]["image_id"] = 77
    lay(source, ANSWERS, value)
    assert "annotations[0]: image_id differs from that of question 1000, 1" in fails(cli, home, source)


def test_a_zip_cut_in_the_middle_is_one_line(cli, home, source) -> None:
    (source / QUESTIONS).unlink()
    (source / "v2_Questions_Train_mscoco.zip").write_bytes(b"PK\x03\x04" + bytes(500))
    line = fails(cli, home, source)
    assert "v2_Questions_Train_mscoco.zip" in line
    assert "damaged or cut short" in line
    assert "this is not the official archive as published" in line


def test_a_full_disk_is_one_line_and_leaves_nothing(cli, home, source, monkeypatch) -> None:
    def full(self, data):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(shards._Hashed, "write", full)
    assert "the disk is full; free some space" in fails(cli, home, source, "--workers", 1)
    monkeypatch.undo()
    assert build(home, source)[0].num_samples == 3
    assert not list(home.root.rglob("*.part"))


def test_a_home_that_cannot_be_written_is_one_line(cli, home, source) -> None:
    home.root.parent.mkdir(parents=True, exist_ok=True)
    home.root.write_text("a file where the folder should be")
    result = cli("build", "vqav2", "--source", source, "--home", home.root / "deeper")
    assert result.code == 1
    assert result.err.startswith("ib-data: ")
    assert "Traceback" not in result.err


def test_a_read_only_home_is_one_line(cli, home, source, monkeypatch) -> None:
    def read_only(*_args, **_kwargs):
        raise OSError(30, os.strerror(30), str(home.root))

    monkeypatch.setattr(Path, "mkdir", read_only)
    result = cli("build", "vqav2", "--source", source, "--home", home.root)
    assert (result.code, result.err) == (
        1,
        f"ib-data: {home.root}: cannot be written (Read-only file system); choose another --home\n",
    )


def test_an_unknown_dataset_or_split_fails_before_building(cli, home, source) -> None:
    result = cli("build", "vqav2", "vqav", "--source", source, "--home", home.root)
    assert (result.code, result.err) == (2, "ib-data: unknown dataset 'vqav'; did you mean 'vqav2'?\n")
    assert not home.root.exists()
    result = cli("build", "okvqa", "--split", "test", "--source", source, "--home", home.root)
    assert result.code == 2
    assert "okvqa has no split 'test'; it has train, validation" in result.err
    assert cli("build", "--home", home.root).code == 2


def test_two_files_with_one_name_are_an_error_unless_one_is_in_the_official_folder(home, source) -> None:
    lay(source / "other", QUESTIONS, {"questions": []})
    with pytest.raises(DataError, match="two different files of this name"):
        build(home, source)
    rows = [{"image_link": f"x/train2017/{i:012d}.jpg", "image": "", "caption": "It is.", "label": 1} for i in (1, 2)]
    for place, row in (("random", rows[0]), ("zeroshot", rows[1])):
        path = source / place / "dev.jsonl"
        path.parent.mkdir()
        path.write_text(json.dumps(row))
    build(home, source, name="vsr", split="validation", media=False)
    assert samples(home, "vsr", "validation")[0][0].key == "vsr-validation-000000000002"


def test_the_miniature_does_not_replace_official_files(cli, home, source) -> None:
    build(home, source)
    result = cli("build", "vqav2", "--mini", "--home", home.root)
    assert result.code == 1
    assert "the miniature would replace it; choose another --home" in result.err
    assert read_manifest(home.split("vqav2", "train"), "vqav2").recipe["miniature"] is False
    assert cli("build", "vqav2", "--mini", "--source", source, "--home", home.root).code == 2


def test_text_that_cannot_be_encoded_does_not_stop_a_build(home, source) -> None:
    path = source / QUESTIONS
    path.write_text(path.read_text().replace("Question 0 of 1?", r"half \ud83d pair, \u0007 bell, \ud83d\ude00 whole"))
    build(home, source)
    assert (
        samples(home, "vqav2", "train")[0][0].annotations[0].question == "half \ufffd pair, \x07 bell, \U0001f600 whole"
    )


def test_an_image_of_a_few_pixels_builds(home, source) -> None:
    (source / "train2014" / "COCO_train2014_000000000001.jpg").write_bytes(photo(9, (3, 2)))
    build(home, source)
    assert [sample.media.width for sample, _ in samples(home, "vqav2", "train")] == [3, 64, 64]


def test_another_image_of_the_same_size_is_noticed(home, source, capsys) -> None:
    (first,) = build(home, source)
    path = source / "train2014" / "COCO_train2014_000000000002.jpg"
    data = bytearray(path.read_bytes())
    data[200] ^= 1  # in the tables of the file: it still opens
    path.write_bytes(data)
    (second,) = build(home, source)
    assert second.shards[0].num_bytes == first.shards[0].num_bytes
    assert second.shards[0].sha256 != first.shards[0].sha256
    assert "replacing the earlier build of 6 annotations (changed: plan_sha256)" in capsys.readouterr().err


def test_the_limit_counts_existing_images(home, source) -> None:
    (source / "train2014" / "COCO_train2014_000000000001.jpg").unlink()
    (manifest,) = build(home, source, limit=1, allow_missing=True)
    assert (manifest.num_samples, manifest.num_drops) == (1, 2)
    assert samples(home, "vqav2", "train")[0][0].key == "vqav2-train-000000000002"


def test_folders_that_link_to_each_other_are_read_once(home, source) -> None:
    for name in ("one", "two"):
        (source / name).mkdir()
        (source / name / "up").symlink_to("..")
        (source / name / "root").symlink_to(source)
    (manifest,) = build(home, source)
    assert manifest.num_samples == 3


def test_an_invalid_mirror_address_is_wrong_usage(cli, home) -> None:
    result = cli("build", "vqav2", "--mirror", "/some/folder", "--home", home.root)
    assert result.code == 2
    assert "expected an address that begins with file:, http: or https:" in result.err
