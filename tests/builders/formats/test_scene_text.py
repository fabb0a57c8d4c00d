"""TextVQA and TextCaps, on small rows after the documented formats.

No official file of TextCaps was at hand; TextVQA has real files in `tests/real`.
"""

import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from mini_mirror import WORLD
from official import build, drops, lay, photo, samples
from PIL import Image

from ib_data.builders.miniature import textcaps, textvqa
from ib_data.builders.miniature.world import signs
from ib_data.cards import load_card, media_stores
from ib_data.errors import DataError

MARKER = "answering does not require reading text in the image"
ONE, TWO = "00a1b2c3d4e5f607", "fedcba9876543210"


def question(number: int, image: str = ONE, split: str = "val", **change: object) -> dict:
    row = {"question": "what does it say?", "question_id": number, "image_id": image, "set_name": split}
    return {**row, "answers": ["tea"] * 10, **change}


def caption(number: int, image: str = ONE, split: str = "train", **change: object) -> dict:
    text = f"A sign that says {number}."
    row = {"caption_id": number, "caption_str": text, "image_id": image, "reference_strs": [text, "Other."]}
    return {**row, "set_name": split, **change}


def lay_textvqa(folder: Path, rows: list[dict], split: str = "val", **head: object) -> Path:
    lay(folder, f"TextVQA_0.5.1_{split}.json", {**head, "data": rows})
    return folder


def lay_tokens(folder: Path, tokens: dict[str, list[str]], split: str = "val") -> None:
    rows = [{"image_id": image, "ocr_tokens": found, "ocr_info": []} for image, found in tokens.items()]
    head = {"dataset_type": split, "dataset_name": "textvqa", "dataset_version": "0.2"}
    lay(folder, f"TextVQA_Rosetta_OCR_v0.2_{split}.json", {**head, "data": rows})


def annotations(home, name: str, split: str) -> dict:
    return {a.id: a for sample, _ in samples(home, name, split) for a in sample.annotations}


def test_the_marker_and_blanks_are_removed_but_a_comma_stays(home, tmp_path) -> None:
    given = ["corona ", "corona", "corona, rodda, ", MARKER, f" {MARKER}", "unanswerable", "a", "b", "c", "d"]
    lay_textvqa(tmp_path / "s", [question(1, answers=given), question(2, answers=[MARKER] * 10), question(3)])
    (manifest,) = build(home, tmp_path / "s", "textvqa", media=False)
    assert (manifest.split, manifest.num_annotations) == ("validation", 2)
    found = annotations(home, "textvqa", "validation")["1"]
    assert {a.text: a.count for a in found.answers} == {
        "corona": 2, "corona, rodda,": 1, "unanswerable": 1, "a": 1, "b": 1, "c": 1, "d": 1,
    }  # fmt: skip
    assert found.extra == {"num_needs_no_reading": 2}
    assert drops(home, "textvqa", "validation") == [("2", "no answers")]


def test_tokens_are_joined_by_image_and_absent_if_there_are_none(home, tmp_path) -> None:
    rows = [question(1), question(2), question(3, TWO), question(4, "0" * 16)]
    lay_textvqa(tmp_path / "s", rows)
    lay_tokens(tmp_path / "s", {TWO: [], ONE: ["TEA", "  ", "House\n1"], "f" * 16: ["not", "asked"]})
    build(home, tmp_path / "s", "textvqa", media=False)
    found = annotations(home, "textvqa", "validation")
    assert found["1"].ocr_tokens == found["2"].ocr_tokens == ("TEA", "House 1")
    assert found["3"].ocr_tokens == found["4"].ocr_tokens == ()
    texts = [json.loads(sample.to_json()) for sample, _ in samples(home, "textvqa", "validation")]
    assert Counter("ocr_tokens" in a for text in texts for a in text["annotations"]) == {True: 2, False: 2}


def test_without_the_file_of_tokens_the_questions_are_built(home, tmp_path, capsys) -> None:
    build(home, lay_textvqa(tmp_path / "s", [question(1)]), "textvqa", media=False)
    assert annotations(home, "textvqa", "validation")["1"].ocr_tokens == ()
    assert "TextVQA_Rosetta_OCR_v0.2_val.json (ocr) is not in --source; built without it" in capsys.readouterr().err


def test_rows_are_read_from_data_in_any_key_order(home, tmp_path) -> None:
    head = {"a": 1, "b": 2, "c": [], "license": "x"}
    build(home, lay_textvqa(tmp_path / "s", [question(1)], **head), "textvqa", media=False)
    lay(tmp_path / "c", "TextCaps_0.1_train.json", {"data": [caption(5)], "dataset_name": "textcaps"})
    build(home, tmp_path / "c", "textcaps", media=False)
    assert annotations(home, "textcaps", "train")["5"].caption == "A sign that says 5."


def test_the_test_split_of_textvqa_has_no_answers(home, tmp_path) -> None:
    rows = [question(1, split="test", answers=[]), question(2, split="test", answers=[""] * 10)]
    del rows[0]["answers"]
    build(home, lay_textvqa(tmp_path / "s", rows, "test"), "textvqa", "test", media=False)
    assert [a.answers for a in annotations(home, "textvqa", "test").values()] == [(), ()]


def test_both_datasets_read_one_image_archive(home, tmp_path) -> None:
    source = lay_textvqa(tmp_path / "s", [question(1), question(2, TWO)])
    lay(source, "TextCaps_0.1_val.json", {"data": [caption(7, TWO, "val")], "dataset_name": "textcaps"})
    with zipfile.ZipFile(source / "train_val_images.zip", "w") as archive:
        for image in (ONE, TWO):
            archive.writestr(f"train_images/{image}.jpg", photo(len(image)))
    build(home, source, "textvqa")
    build(home, source, "textcaps", "validation")
    (sample, data), = samples(home, "textcaps", "validation")  # fmt: skip
    assert sample.key == f"textcaps-validation-{TWO}"
    assert sample.media.source_name == f"train_images/{TWO}.jpg"
    assert data == photo(16)
    assert len(samples(home, "textvqa", "validation")) == 2


def test_tokens_of_another_split_or_a_duplicate_image_are_errors(home, tmp_path) -> None:
    lay_textvqa(tmp_path / "s", [question(1)])
    lay_tokens(tmp_path / "s", {TWO: ["TEA"]})
    with pytest.raises(DataError, match=r"OCR_v0\.2_val\.json: no image of TextVQA_0\.5\.1_val\.json is here; is this"):
        build(home, tmp_path / "s", "textvqa", media=False)
    rows = [{"image_id": ONE, "ocr_tokens": [text]} for text in ("TEA", "HOUSE")]
    for again, what in ((rows[1], f"image_id '{ONE}' occurs twice"), ({"image_id": TWO}, "'ocr_tokens' is missing")):
        lay(tmp_path / "s", "TextVQA_Rosetta_OCR_v0.2_val.json", {"data": [rows[0], again]})
        with pytest.raises(DataError, match=rf"data\[1\]: .*{what}"):
            build(home, tmp_path / "s", "textvqa", media=False)


@pytest.mark.parametrize(
    ("name", "rows", "head", "what"),
    [
        ("textvqa", [question(1, split="train")], {}, "set_name: expected 'val', found 'train'"),
        ("textvqa", [question(1)], {"dataset_type": "train"}, "expected dataset_type 'val', found 'train'"),
        ("textvqa", [question(1)], {"dataset_name": "textcaps"}, "expected dataset_name 'textvqa'"),
        ("textvqa", [{"question_id": 1, "question": "?"}], {}, r"data\[0\]: key 'image_id' is missing"),
        ("textvqa", [question(1, answers="tea")], {}, r"data\[0\]: 'answers': expected a list"),
        ("textvqa", [question(1), question(1)], {}, "annotation id '1' occurs twice"),
        ("textcaps", [caption(1, split="val", caption_str=None)], {}, r"data\[0\]: 'caption_str': expected a text"),
    ],
)
def test_a_faulty_row_is_named(home, tmp_path, name: str, rows: list, head: dict, what: str) -> None:
    prefix = {"textvqa": "TextVQA_0.5.1", "textcaps": "TextCaps_0.1"}[name]
    lay(tmp_path / "s", f"{prefix}_val.json", {**head, "data": rows})
    with pytest.raises(DataError, match=what):
        build(home, tmp_path / "s", name, "validation", media=False)


def test_the_miniatures_questions_about_signs_are_true() -> None:
    """The words are printed: two signs that differ in a word alone differ in pixels of the upper board alone."""
    for one in signs.signs(WORLD, "train"):
        texts = textcaps.captions(one)
        assert len(texts) == 5
        assert all(one.word in text.upper() or str(one.price) in text for text in texts)
        assert one.upper != one.lower
    pictures = dict(signs.MEDIA["textvqa_train_val"](WORLD))
    assert set(pictures) == {
        media_stores()["textvqa_train_val"].member(one.image_id)
        for split in ("train", "validation")
        for one in signs.signs(WORLD, split)
    }
    for data in pictures.values():
        image = Image.open(io.BytesIO(data)).convert("L")
        boards = [image.crop((22, 17, 218, 83)), image.crop((62, 107, 178, 163))]
        for board in boards:  # a ground and an ink upon it
            darkest, brightest = board.getextrema()
            assert brightest - darkest > 60


def test_the_miniature_has_the_odd_cases() -> None:
    card = load_card("textvqa")
    files = {(file.split, file.role): file for file in card.files}
    (text,) = textvqa.members(WORLD, card, files["train", "annotations"]).values()
    answers = [row["answers"] for row in json.loads(text)["data"]]
    assert all(len(given) == 10 for given in answers)
    assert any(MARKER in given and len(set(given)) == 10 for given in answers)
    assert any(text.endswith(", ") for given in answers for text in given)
    (text,) = textvqa.members(WORLD, card, files["train", "ocr"]).values()
    tokens = {row["image_id"]: row["ocr_tokens"] for row in json.loads(text)["data"]}
    assert [] in tokens.values()
    assert {one.image_id for one in signs.signs(WORLD, "train")} - set(tokens)
    (text,) = textvqa.members(WORLD, card, files["test", "annotations"]).values()
    assert not any("answers" in row for row in json.loads(text)["data"])
