"""TextVQA, TextCaps, OCR-VQA and Web CapFilt, on small rows after the documented formats.

No official file of TextCaps, OCR-VQA or Web CapFilt was at hand; TextVQA has real files in `tests/real`.
"""

import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from mini_mirror import WORLD
from official import lay, photo
from PIL import Image
from test_build import build, drops, samples

from ib_data.builders.build import Build, Options, build_dataset
from ib_data.builders.fetch import Fetcher
from ib_data.builders.miniature import covers, links, signs
from ib_data.builders.miniature.photos import paint
from ib_data.builders.mirror import miniature_fetcher
from ib_data.builders.sources import SourceFolders
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


def test_the_marker_is_no_answer_and_blanks_go_but_a_comma_stays(home, tmp_path) -> None:
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


def test_tokens_are_joined_by_image_and_absent_where_there_are_none(home, tmp_path) -> None:
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


def test_rows_stand_under_data_wherever_that_is(home, tmp_path) -> None:
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


def test_both_datasets_read_one_archive_of_photos(home, tmp_path) -> None:
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


@pytest.mark.parametrize(
    ("name", "rows", "head", "what"),
    [
        ("textvqa", [question(1, split="train")], {}, "set_name: expected 'val', found 'train'"),
        ("textvqa", [question(1)], {"dataset_type": "train"}, "expected dataset_type 'val', found 'train'"),
        ("textvqa", [question(1)], {"dataset_name": "textcaps"}, "expected dataset_name 'textvqa'"),
        ("textvqa", [{"question_id": 1, "question": "?"}], {}, r"data\[0\]: key 'image_id' is missing"),
        ("textvqa", [question(1, answers="tea")], {}, r"data\[0\]: 'answers': expected a list"),
        ("textvqa", [question(1), question(1)], {}, "annotation id '1' stands twice"),
        ("textcaps", [caption(1, split="val", caption_str=None)], {}, r"data\[0\]: 'caption_str': expected a text"),
    ],
)
def test_a_faulty_row_is_named(home, tmp_path, name: str, rows: list, head: dict, what: str) -> None:
    prefix = {"textvqa": "TextVQA_0.5.1", "textcaps": "TextCaps_0.1"}[name]
    lay(tmp_path / "s", f"{prefix}_val.json", {**head, "data": rows})
    with pytest.raises(DataError, match=what):
        build(home, tmp_path / "s", name, "validation", media=False)


def book(url: str, split: int = 1, **change: object) -> dict:
    asked = {"questions": ["Who wrote it?", "Is it a cookbook?"], "answers": ["Ann  Lee", "No"]}
    return {
        "imageURL": url,
        **asked,
        "title": "T",
        "authorName": "Ann Lee",
        "genre": "Poetry",
        "split": split,
        **change,
    }


def lay_books(folder: Path, books: dict[str, dict]) -> Path:
    lay(folder, "dataset.json", books)
    return folder


def test_ocrvqa_splits_by_its_own_field(home, tmp_path) -> None:
    books = {f"{n:010d}": book(f"http://x.org/{n}.jpg", split) for n, split in enumerate((1, 3, 2, 1))}
    source = lay_books(tmp_path / "s", books)
    for split, ids in {"train": (0, 3), "validation": (2,), "test": (1,)}.items():
        build(home, source, "ocrvqa", split, media=False)
        assert list(annotations(home, "ocrvqa", split)) == [f"{n:010d}-{turn}" for n in ids for turn in (0, 1)]
    found = annotations(home, "ocrvqa", "test")["0000000001-0"]
    assert found.answers[0].text == "Ann Lee"
    assert found.extra == {"title": "T", "authorName": "Ann Lee", "genre": "Poetry"}


def test_books_of_one_url_are_one_image_named_by_the_smallest_id(home, tmp_path) -> None:
    one, two = "http://x.org/I/1.GIF?a=2", "http://x.org/I/2"
    books = {"9": book(one), "30": book(one), "4": book(two), "5": book(one, 3), "6": book(" ")}
    build(home, lay_books(tmp_path / "s", books), "ocrvqa", media=False)
    found = {sample.key: sample for sample, _ in samples(home, "ocrvqa", "train")}
    assert set(found) == {"ocrvqa-train-30_gif", "ocrvqa-train-4_jpg"}
    assert [a.id for a in found["ocrvqa-train-30_gif"].annotations] == ["9-0", "9-1", "30-0", "30-1"]
    assert found["ocrvqa-train-30_gif"].media.source_name == one
    assert drops(home, "ocrvqa", "train") == [("6-0", "no URL"), ("6-1", "no URL")]


def test_covers_that_the_authors_script_laid_down_are_found(home, tmp_path) -> None:
    source = lay_books(tmp_path / "s", {"7": book("http://x.org/I/a.png"), "8": book("http://x.org/I/b.gif")})
    for name in ("7.png", "8.gif"):
        (source / "images").mkdir(exist_ok=True)
        Image.new("RGB", (40, 60), (9, 9, 90)).save(source / "images" / name)
    (manifest,) = build(home, source, "ocrvqa")
    assert (manifest.num_samples, manifest.num_drops) == (2, 0)
    (source / "images" / "8.gif").unlink()
    with pytest.raises(DataError, match="1 of 2 images are missing"):
        build(home, source, "ocrvqa")


def test_the_gate_of_ocrvqa_says_what_to_do(cli, home) -> None:
    result = cli("build", "ocrvqa", "--home", home.root)
    assert result.code == 1
    assert "must be fetched by hand (Google Drive)" in result.err
    assert "lay dataset.json (and the folder images" in result.err


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"split": 4}, "7: 'split': expected 1"),
        ({"split": "1"}, "7: 'split': expected an integer"),
        ({"answers": ["No"]}, "7: 2 questions and 1 answers"),
        ({"questions": [1, 2]}, "7: 'questions': expected a list of texts"),
        ({"imageURL": 3}, "7: 'imageURL': expected a text"),
    ],
)
def test_a_faulty_book_is_named(home, tmp_path, change: dict, what: str) -> None:
    with pytest.raises(DataError, match=what):
        build(home, lay_books(tmp_path / "s", {"7": book("http://x.org/1.jpg", **change)}), "ocrvqa", media=False)


def lay_links(folder: Path, *rows: tuple[str, str], name: str = "ccs_synthetic_filtered_large.json") -> Path:
    lay(folder, name, [{"caption": text, "url": url} for url, text in rows])
    return folder


def test_rows_of_one_url_are_one_sample_and_lost_links_are_drops(home, tmp_path) -> None:
    good, gone = "http://x.org/a.jpg?w=1", "http://x.org/b.jpg"
    source = lay_links(
        tmp_path / "s", (good, "a  cat"), (gone, "a dog"), (f" {good}", "a small cat"), ("", "x"), (good, "")
    )
    mirror = tmp_path / "mirror" / "x.org"
    mirror.mkdir(parents=True)
    (mirror / "a.jpg").write_bytes(photo())
    job = Build(
        home=home,
        fetcher=Fetcher(downloads=home.downloads, mirror=mirror.parent.as_uri()),
        folders=SourceFolders((source,)),
        options=Options(),
    )
    (manifest,) = build_dataset(load_card("web_capfilt"), job)
    assert (manifest.num_samples, manifest.num_annotations, manifest.num_drops) == (1, 2, 3)
    ((sample, data),) = samples(home, "web_capfilt", "train")
    assert [(a.id, a.caption) for a in sample.annotations] == [("00000000", "a cat"), ("00000002", "a small cat")]
    assert (sample.media.source_name, data) == (good, photo())
    assert Counter(drops(home, "web_capfilt", "train")) == {
        ("00000003", "no URL"): 1, ("00000004", "no caption"): 1, ("00000001", "dead link"): 1,
    }  # fmt: skip
    assert build_dataset(load_card("web_capfilt"), job) == [manifest]


def test_another_list_in_the_source_is_another_form(home, tmp_path) -> None:
    source = lay_links(tmp_path / "s", ("http://x.org/a.jpg", "a cat"), name="ccs_filtered.json")
    (manifest,) = build(home, source, "web_capfilt", media=False)
    assert manifest.recipe["form"] == "web"


def test_a_list_in_another_form_is_refused(home, tmp_path) -> None:
    lay(tmp_path / "s", "ccs_filtered.json", [{"image": "a/b.jpg", "caption": "x"}])
    with pytest.raises(DataError, match=r"row\[0\]: key 'url' is missing"):
        build(home, tmp_path / "s", "web_capfilt", media=False)


def test_a_limit_passes_over_dead_links(home) -> None:
    with miniature_fetcher(home) as fetcher:
        job = Build(home=home, fetcher=fetcher, folders=SourceFolders(), options=Options(limit=20, miniature=True))
        (manifest,) = build_dataset(load_card("web_capfilt"), job)
    assert manifest.num_samples == 20
    assert {reason for _, reason in drops(home, "web_capfilt", "train")} <= {"dead link", "not an image", "too small"}


def test_what_the_miniature_asks_about_signs_is_true_and_can_be_read() -> None:
    """The words are printed: two signs that differ in a word alone differ in pixels of the upper board alone."""
    for one in signs.signs(WORLD, "train"):
        texts = signs.captions(one)
        assert len(texts) == 5
        assert all(one.word in text.upper() or str(one.price) in text for text in texts)
        assert one.upper != one.lower
    pictures = dict(signs.PHOTOS["textvqa_train_val"](WORLD))
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


def test_the_odd_cases_of_the_miniature_are_there() -> None:
    card = load_card("textvqa")
    files = {(file.split, file.role): file for file in card.files}
    (text,) = signs.textvqa_members(WORLD, card, files["train", "annotations"]).values()
    answers = [row["answers"] for row in json.loads(text)["data"]]
    assert all(len(given) == 10 for given in answers)
    assert any(MARKER in given and len(set(given)) == 10 for given in answers)
    assert any(text.endswith(", ") for given in answers for text in given)
    (text,) = signs.textvqa_members(WORLD, card, files["train", "ocr"]).values()
    tokens = {row["image_id"]: row["ocr_tokens"] for row in json.loads(text)["data"]}
    assert [] in tokens.values()
    assert {one.image_id for one in signs.signs(WORLD, "train")} - set(tokens)
    (text,) = signs.textvqa_members(WORLD, card, files["test", "annotations"]).values()
    assert not any("answers" in row for row in json.loads(text)["data"])


def test_covers_and_links_of_the_miniature_are_as_their_rows_say() -> None:
    card = load_card("ocrvqa")
    (text,) = covers.members(WORLD, card, card.files[0]).values()
    books = json.loads(text)
    answered = dict(covers.pictures(WORLD))
    assert {1, 2, 3} == {row["split"] for row in books.values()}
    assert Counter(row["imageURL"] for row in books.values()).most_common(1)[0][1] == 2
    formats = Counter(
        Image.open(io.BytesIO(data)).format for data in answered.values() if not data.startswith(b"<!DOCTYPE")
    )
    assert set(formats) == {"JPEG", "PNG", "GIF"}
    assert {row["imageURL"] for row in books.values()} - set(answered)
    listed = load_card("web_capfilt")
    (text,) = links.members(WORLD, listed, listed.files[0]).values()
    rows = json.loads(text)
    assert any("?" in row["url"] for row in rows)
    for number, row in enumerate(rows):
        scene = WORLD.scene(15_000_000 + number)
        if number % 20 != 17:
            assert all(shape.name in row["caption"] for shape in scene.shapes)
            assert paint(scene).size == (scene.width, scene.height)
