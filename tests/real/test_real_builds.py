"""Builds of real official files; counts and odd cases come from the README next to the files."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ib_data.stored.built_split import open_built

pytestmark = pytest.mark.real


def drops(home, name: str, split: str) -> list[dict]:
    return pq.read_table(home.split(name, split) / "drops.parquet").to_pylist()


def test_vsr_zero_shot(cli, home, build, rows) -> None:
    build("vsr", "vsr", more=("--no-media",))
    sql = "select split, count(*), count(*) filter (label = 'true') from annotations group by all order by 1"
    out = json.loads(cli("sql", sql, "--format", "json", "--home", home.root).out)
    assert [tuple(row.values()) for row in out] == [
        ("test", 1222, 629),
        ("train", 3489, 1799),
        ("validation", 340, 167),
    ]
    images = {split: {row["media_name"] for row in rows("vsr", split).values()} for split in ("train", "test")}
    assert len(images["train"] & images["test"]) == 2
    assert sum(name.startswith("train2017/") for name in images["test"]) == len(images["test"]) - sum(
        name.startswith("val2017/") for name in images["test"]
    )
    row = rows("vsr", "train")["train-00001"]
    assert (row["statement"], row["label"]) == ("The horse is next to the bus.", "false")
    assert json.loads(row["extra"])["relation"] == "next to"
    assert json.loads(row["extra"])["subj"] == "orse"
    assert json.loads(row["extra"])["vote_false_validator_id"] == "[2, 52, 6]"


def test_aokvqa_validation(build, rows) -> None:
    build("aokvqa", "aokvqa", more=("--split", "validation", "--no-media"))
    found = rows("aokvqa", "validation")
    assert len(found) == 1145
    with_empty = found["Rpy3Dcuk4GLi5NsNq5Xzgt"]
    assert all(answer["text"] for answer in with_empty["answers"])
    assert sum(answer["count"] for answer in with_empty["answers"]) == 9
    doubled = found["5z9Zmf4GRKoCa7igqv4Ef7"]
    assert doubled["options"][0] == doubled["options"][2]
    assert len(doubled["options"]) == 4


def test_an_empty_choice_of_aokvqa_keeps_its_place(cli, home, build, rows) -> None:
    build("aokvqa", "aokvqa", more=("--split", "validation", "--no-media"))
    assert rows("aokvqa", "validation")["iTeGLgJNuQjkRqeTmKwWLs"]["options"] == ["s", "", "b", "f"]
    assert cli("check", "aokvqa", "--decode", "--home", home.root).code == 0


def test_aokvqa_keeps_the_index_as_the_file_has_it(real, build, rows) -> None:
    build("aokvqa", "aokvqa", more=("--split", "validation", "--no-media"))
    official = json.loads((real / "aokvqa" / "aokvqa_v1p0_val.json").read_text())
    found = rows("aokvqa", "validation")
    for row in official:
        ours = found[row["question_id"]]
        assert (ours["answer_index"], ours["options"]) == (row["correct_choice_idx"], row["choices"])
        assert ours["rationales"] == [" ".join(text.split()) for text in row["rationales"]]


def test_okvqa_validation_reassembled(home, real, build, rows) -> None:
    build("okvqa", "okvqa", more=("--split", "validation", "--no-media"))
    found = rows("okvqa", "validation")
    assert len(found) == 4456
    lost = drops(home, "okvqa", "validation")
    assert len(lost) == 590
    assert {row["reason"] for row in lost} == {"question without annotation"}
    for odd in ("4228335", "773455"):
        assert all(answer["text"] for answer in found[odd]["answers"])
        assert sum(answer["count"] for answer in found[odd]["answers"]) < 10
    assert {answer["text"]: answer["count"] for answer in found["3397615"]["answers"]} == {
        "vine": 4, "climbing": 2, "looks like some kind of ivy": 2, "ficus": 2,
    }  # fmt: skip
    official = json.loads((real / "okvqa" / "reassembled" / "mscoco_val2014_annotations.json").read_text())
    broken = next(row for row in official["annotations"] if row["question_id"] == 722385)
    given = {" ".join(answer["answer"].split()) for answer in broken["answers"]}
    assert {answer["text"] for answer in found["722385"]["answers"]} == given - {""}


def test_vqav2_train_with_its_photo(home, build, rows) -> None:
    build("vqav2", "vqav2", "media/coco")
    found = rows("vqav2", "train")
    assert len(found) == 3
    row = found["458752000"]
    assert [(a["text"], a["count"]) for a in row["answers"]] == [
        ("net", 6), ("netting", 1), ("mesh", 1), ("pitcher", 1), ("orange", 1),
    ]  # fmt: skip
    built = open_built(home, "vqav2", "train")
    sample, data = built.read(built.ref_of(row["key"]))
    plain = json.loads(sample.to_json())
    assert "null" not in sample.to_json()
    assert plain["annotations"][0].keys() == {"id", "question", "answers"}
    assert data[:2] == b"\xff\xd8"


def test_vqav2_validation_documented(build, rows) -> None:
    build("vqav2", "vqav2/documented", "media/coco")
    row = rows("vqav2", "validation")["262148000"]
    assert json.loads(row["extra"]) == {
        "question_type": "none of the above", "answer_type": "other", "multiple_choice_answer": "down",
    }  # fmt: skip


def test_coco_caption_karpathy_reassembled_with_the_photos_that_are_there(cli, home, real, build, rows) -> None:
    sources = ("coco_caption/reassembled", "media/coco")
    official = json.loads((real / "coco_caption" / "reassembled" / "dataset_coco.json").read_text())["images"]
    photos = {int(path.stem[-12:]) for path in (real / "media" / "coco").rglob("*.jpg")}
    there = [image for image in official if image["cocoid"] in photos]
    given = [part for source in sources for part in ("--source", real / source)]
    refused = cli("build", "coco_caption", *given, "--home", home.root)
    num_missing = sum(image["split"] == "val" and image["cocoid"] not in photos for image in official)
    assert refused.code == 1
    assert f"{num_missing} of " in refused.err
    build("coco_caption", *sources, more=("--allow-missing",))
    built = rows("coco_caption", "test")
    assert len(built) == sum(len(image["sentences"]) for image in there)
    # No photo of validation is there, so that it is left out; the list of its drops stays in staging.
    staged = home.staging("coco_caption", "validation") / "whole" / "drops.parquet"
    lost = pq.read_table(staged).to_pylist() + drops(home, "coco_caption", "test")
    assert {row["reason"] for row in lost} == {"media missing"}
    assert len(built) + len(lost) == sum(len(image["sentences"]) for image in official)


def test_coco_caption_official_form(build, rows) -> None:
    build("coco_caption", "coco_caption/captions_val2017.json", more=("--no-media",))
    found = rows("coco_caption", "validation")
    assert len(found) == 395
    assert len({row["key"] for row in found.values()}) == 79
    captions = [row["caption"] for row in found.values()]
    assert all(caption == " ".join(caption.split()) and caption for caption in captions)
    per_image = [sum(row["key"] == key for row in found.values()) for key in {row["key"] for row in found.values()}]
    assert max(per_image) >= 5


def test_coco_caption_official_form_with_photos(home, real, build, rows) -> None:
    """As many of the 79 photos as lie beside the file."""
    build("coco_caption", "coco_caption/captions_val2017.json", "media/coco", more=("--allow-missing",))
    official = json.loads((real / "coco_caption" / "captions_val2017.json").read_text())
    photos = {path.name for path in (real / "media" / "coco").rglob("*.jpg")}
    there = {image["id"] for image in official["images"] if image["file_name"] in photos}
    found = rows("coco_caption", "validation")
    assert len({row["key"] for row in found.values()}) == len(there)
    assert len(found) == sum(row["image_id"] in there for row in official["annotations"])


def test_the_greyscale_photo_is_kept_as_it_is(home, real, build, rows) -> None:
    build("aokvqa", "aokvqa", "media/coco", more=("--split", "validation", "--allow-missing"))
    found = rows("aokvqa", "validation")
    lost = drops(home, "aokvqa", "validation")
    assert {row["reason"] for row in lost} == {"media missing"}
    assert len(found) + len(lost) == 1145
    data = open_built(home, "aokvqa", "validation").media(found["ZCGhDHZtMcwGAY36U6XwQL"]["key"])
    assert data == (real / "media" / "coco" / "val2017" / "000000431848.jpg").read_bytes()


@pytest.mark.parametrize("caption_id", [555895, 332123])
def test_line_breaks_in_captions_become_blanks(real, build, rows, caption_id: int) -> None:
    for name, split in (("captions_train2017.json", "train"), ("captions_val2017.json", "validation")):
        official = json.loads((real / "coco_caption" / name).read_text())["annotations"]
        row = next((row for row in official if row["id"] == caption_id), None)
        if row is not None:
            assert "\n" in row["caption"]
            build("coco_caption", f"coco_caption/{name}", more=("--no-media", "--split", split))
            assert rows("coco_caption", split)[str(caption_id)]["caption"] == " ".join(row["caption"].split())
            return
    pytest.fail(f"caption {caption_id} is in neither file")


def test_one_official_file_has_the_checksum_of_its_card(real: Path, home, build) -> None:
    result = build("vsr", "vsr", more=("--no-media",))
    assert "is not the official file" not in result.err
