"""TextVQA's official files. Those at the top are subsets of five questions each (class B) with all of their photos;
those under `reassembled` hold real values put back into the official layout (class C), tokens without boxes."""

import json

import pytest

pytestmark = pytest.mark.real

SUBSET = {"train": "train", "validation": "val", "test": "test"}


@pytest.mark.parametrize("split", SUBSET)
def test_the_subsets_build_with_all_their_photos(real, build, rows, media, drops, split: str) -> None:
    name = f"TextVQA_0.5.1_{SUBSET[split]}.json"
    result = build("textvqa", f"textvqa/{name}", "textvqa/images", more=("--split", split))
    official = {str(row["question_id"]): row for row in json.loads((real / "textvqa" / name).read_text())["data"]}
    found = rows("textvqa", split)
    assert set(found) == set(official)
    assert len(found) == 5
    assert not drops("textvqa", split)
    assert f"TextVQA_Rosetta_OCR_v0.2_{SUBSET[split]}.json (ocr) is not in --source" in result.err
    folder = "test_images" if split == "test" else "train_images"
    for row_id, row in found.items():
        given = official[row_id]
        assert row["media_name"] == f"{folder}/{given['image_id']}.jpg"
        assert media("textvqa", split, row) == (real / "textvqa" / "images" / row["media_name"]).read_bytes()
        assert row["question"] == " ".join(given["question"].split())
        assert sum(answer["count"] for answer in row["answers"] or ()) == (0 if split == "test" else 10)
        assert json.loads(row["extra"])["image_classes"] == given["image_classes"]
    assert len({row["key"] for row in found.values()}) == len({row["image_id"] for row in official.values()})


def test_the_ids_of_the_odd_answers(build, rows) -> None:
    build("textvqa", "textvqa/reassembled", more=("--no-media",))
    found = rows("textvqa", "validation")
    odd = {answer["text"]: answer["count"] for answer in found["34859"]["answers"]}
    assert odd == {
        "corona extra": 1, "conrona": 1, "corona": 2, "corona, rodda,": 1, "corona extra and rodda": 1,
        "corona extra, rodda": 1, "rodda, corona": 1, "corona, rodda": 1,
    }  # fmt: skip
    assert json.loads(found["34859"]["extra"]) == {"num_needs_no_reading": 1}
    assert {a["text"]: a["count"] for a in found["34605"]["answers"]}["bowmore"] == 7
    assert found["34668"]["question"] == "what volumes are the last two black marvel books?"


def test_the_reassembled_validation_split(real, build, rows, drops) -> None:
    build("textvqa", "textvqa/reassembled", more=("--no-media",))
    found = rows("textvqa", "validation")
    assert len(found) == 592
    assert len({row["key"] for row in found.values()}) == 376
    assert not drops("textvqa", "validation")
    folder = real / "textvqa" / "reassembled"
    questions = json.loads((folder / "TextVQA_0.5.1_val.json").read_text())["data"]
    read = json.loads((folder / "TextVQA_Rosetta_OCR_v0.2_val.json").read_text())["data"]
    tokens = {row["image_id"]: row["ocr_tokens"] for row in read}
    assert len(tokens) == 376
    for row in questions:
        assert (found[str(row["question_id"])]["ocr_tokens"] or []) == tokens[row["image_id"]]
    without = [row_id for row_id, row in found.items() if row["ocr_tokens"] is None]
    assert len(without) == sum(not tokens[row["image_id"]] for row in questions) == 24
    marked = [row for row in found.values() if "num_needs_no_reading" in json.loads(row["extra"] or "{}")]
    assert len(marked) == 35
    assert sum(json.loads(row["extra"])["num_needs_no_reading"] for row in marked) == 84
    assert not any("not require reading" in answer["text"] for row in found.values() for answer in row["answers"])
