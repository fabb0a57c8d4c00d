"""Files with a wrong name: of another split, dataset or form, or joined from two."""

import json
from pathlib import Path

import pytest
from official import build, lay, samples, vqa_answer

from ib_data.builders.source.json_text import KeyTwiceError, is_lines, loads
from ib_data.cards import Mark
from ib_data.cards.marks import read_marks
from ib_data.errors import DataError
from ib_data.strict import Table

pytestmark = pytest.mark.usefixtures("no_catalog")

QUESTIONS, ANSWERS = "OpenEnded_mscoco_train2014_questions.json", "mscoco_train2014_annotations.json"


def annotations(home, name: str, split: str) -> dict:
    return {a.id: a for sample, _ in samples(home, name, split) for a in sample.annotations}


def aokvqa_row(split: str, number: int = 0) -> dict:
    row = {"split": split, "image_id": 461751 + number, "question_id": f"22jbM6gDxdaMaunuzgrs{number:02d}"}
    more = {"question": "What is it?", "choices": ["a", "b", "c", "d"], "correct_choice_idx": 3}
    return row | more | {"direct_answers": ["d"] * 10, "difficult_direct_answer": False, "rationales": ["It is."]}


@pytest.mark.parametrize("found", ["val", "test"])
def test_the_aokvqa_validation_file_named_train_is_an_error(home, tmp_path, found: str) -> None:
    lay(tmp_path, "aokvqa_v1p0_train.json", [aokvqa_row(found)])
    expected = (
        rf"row\[0\]: 'split': expected 'train', found '{found}'; is this a file of another dataset, or of another"
    )
    with pytest.raises(DataError, match=expected):
        build(home, tmp_path, name="aokvqa", media=False)


def lay_pair(folder: Path, question_id: int, *, raw: bool) -> None:
    """A pair of the VQA family, which OK-VQA and VQA v1 give the same names."""
    answers = [vqa_answer("yes", i) | ({"raw_answer": "yes"} if raw else {}) for i in range(1, 11)]
    row = {"question_id": question_id, "image_id": 51606}
    lay(folder, QUESTIONS, {"questions": [{**row, "question": "Is it?"}], "data_subtype": "train2014"})
    lay(folder, ANSWERS, {"annotations": [{**row, "answers": answers}], "data_subtype": "train2014"})


def test_vqa_v1_is_an_error_for_okvqa(home, tmp_path) -> None:
    lay_pair(tmp_path / "v1", 516060, raw=False)
    with pytest.raises(DataError, match=rf"{ANSWERS}: no answer has a 'raw_answer'.*is this a file of another dataset"):
        build(home, tmp_path / "v1", name="okvqa", media=False)
    lay_pair(tmp_path / "ok", 516065, raw=True)
    assert build(home, tmp_path / "ok", name="okvqa", media=False)[0].num_annotations == 1


@pytest.mark.parametrize("num_questions", [1, 10])
@pytest.mark.parametrize("scale", [10, 1])
def test_vqa_v1_and_okvqa_are_errors_or_noted_for_vqav2(home, tmp_path, capsys, scale: int, num_questions: int) -> None:
    """By the ids of their questions; one alone may be anybody's."""
    ids = [(image, image * scale + 5) for image in range(51606, 51606 + num_questions)]
    questions = [{"image_id": image, "question_id": number, "question": "Is it?"} for image, number in ids]
    answers = [{"question_id": number, "image_id": image, "answers": [vqa_answer("yes")]} for image, number in ids]
    lay(tmp_path, f"v2_{QUESTIONS}", {"questions": questions})
    lay(tmp_path, f"v2_{ANSWERS}", {"annotations": answers})
    line = f"{num_questions} of {num_questions} question ids are not 1,000 times the image_id plus a rest; is this a"
    if num_questions == 1:
        build(home, tmp_path, name="vqav2", media=False)
        assert f"v2_{QUESTIONS}: {line}" in capsys.readouterr().err
    else:
        with pytest.raises(DataError, match=line):
            build(home, tmp_path, name="vqav2", media=False)


def test_rows_of_msvd_are_an_error_for_msrvtt(home, tmp_path) -> None:
    row = {"answer": "someone", "id": 30933, "question": "who pours?", "video_id": 1201}
    lay(tmp_path, "val_qa.json", [row])
    with pytest.raises(DataError, match=r"row\[0\]: key 'category_id' is missing; is this a file of another dataset"):
        build(home, tmp_path, name="msrvtt_qa", split="validation", media=False)


def test_the_videos_of_a_split_are_known(home, tmp_path) -> None:
    row = {"answer": "man", "category_id": 3, "id": 1, "question": "who runs?", "video_id": 6513}
    lay(tmp_path, "train_qa.json", [row])
    with pytest.raises(DataError, match="'video_id': expected a whole number from 0 to 6512, found 6513"):
        build(home, tmp_path, name="msrvtt_qa", split="train", media=False)
    lay(tmp_path, "val_qa.json", [row])
    assert build(home, tmp_path, name="msrvtt_qa", split="validation", media=False)[0].num_annotations == 1


def caption_file(folder: str) -> dict:
    name = "000000000009.jpg"
    image = {"file_name": name, "coco_url": f"http://images.cocodataset.org/{folder}/{name}", "id": 9}
    return {"images": [image], "annotations": [{"image_id": 9, "id": 1, "caption": "A cup."}]}


def test_coco_captions_must_name_a_coco_folder(home, tmp_path) -> None:
    lay(tmp_path, "captions_train2017.json", caption_file("train2017"))
    assert build(home, tmp_path, name="coco_caption", split="train", media=False)[0].num_annotations == 1
    lay(tmp_path, "captions_train2017.json", caption_file("val2017"))
    with pytest.raises(DataError, match=r"images\[0\]: 'coco_url': expected an address in train2017, found 'http"):
        build(home, tmp_path, name="coco_caption", split="train", media=False)
    of_2014 = caption_file("train2017")
    of_2014["images"][0]["file_name"] = "COCO_train2014_000000000009.jpg"
    lay(tmp_path, "captions_train2017.json", of_2014)
    with pytest.raises(DataError, match=r"'file_name': expected the name of a COCO 2017 photo"):
        build(home, tmp_path, name="coco_caption", split="train", media=False)


def test_questions_of_another_split_of_gqa_are_named_once(home, tmp_path, capsys) -> None:
    """That every photo of test-dev has such a name is seen in most rows and not in all: no proof, and no error."""
    row = {"imageId": "2407890", "question": "Is it?", "answer": "yes", "isBalanced": True}
    lay(tmp_path, "testdev_balanced_questions.json", {"07": row, "08": row})
    assert build(home, tmp_path, name="gqa", split="test", media=False)[0].num_annotations == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "imageId" in line]
    assert len(lines) == 1
    assert "07: 'imageId': expected n and digits, found '2407890'; is this a file of another dataset" in lines[0]


@pytest.mark.parametrize(("name", "keys"), [("captions_val2017.json", ""), ("captions_train2017.json", "info")])
def test_a_file_joined_from_two_is_an_error(home, tmp_path, name: str, keys: str) -> None:
    one, two = (json.dumps([{"image_id": i, "id": i, "caption": "A cup."}]) for i in (1, 2))
    (tmp_path / name).write_text(f'{{"annotations": {one}, "annotations": {two}}}')
    split = "validation" if "val" in name else "train"
    with pytest.raises(
        DataError, match=f"{name}: the key 'annotations' occurs twice in one object.*Fetch the official"
    ):
        build(home, tmp_path, name="coco_caption", split=split, media=False)


def test_a_duplicate_key_is_named_with_its_place_in_every_file_format(home, tmp_path) -> None:
    twice = '{"img": "img/1.png", "id": "1", "text": "a", "label": 0, "label": 1}'
    for source, text, name, what in (
        ("dev_seen.jsonl", f"\n{twice}\n", "hateful_memes", "line 2: the key 'label' occurs twice"),
        ("val.json", f"[{{}}, {twice}]", "vizwiz", r"\[1\]: the key 'label' occurs twice"),
        ("dataset.json", f'{{"0001": {twice}}}', "ocrvqa", "0001: the key 'label' occurs twice"),
        ("pid_splits.json", '{"test": ["1"], "test": ["2"]}', "scienceqa", "the key 'test' occurs twice"),
    ):
        folder = tmp_path / name
        if name == "scienceqa":
            lay(folder, "problems.json", {})
        folder.mkdir(exist_ok=True)
        (folder / source).write_text(text)
        with pytest.raises(DataError, match=rf"{source}: {what} in one object"):
            build(home, folder, name=name, media=False)


def test_json_is_read_strictly() -> None:
    assert loads(b'{"a": [1, {"b": 2}], "c": {"b": 3}}') == {"a": [1, {"b": 2}], "c": {"b": 3}}
    assert loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert loads(rb'{"a": "\ud83d half"}') == {"a": "\ufffd half"}
    for text, place in (
        (b'{"a": 1, "a": 1}', ""), (b'[1, {"a": 1, "a": 2}]', "[1]"), (b'{"x": {"y": [{"a": 1, "a": 2}]}}', "x.y[0]"),
        (b'{"a": {"b": 1, "b": 2}, "a": 3}', ""),
    ):  # fmt: skip
        with pytest.raises(KeyTwiceError) as caught:
            loads(text)
        assert caught.value.place == place
    with pytest.raises(ValueError, match="Expecting"):
        loads(b'{"a": 1,')


def test_json_lines_are_recognised_by_two_lines() -> None:
    assert is_lines(b'{"a": 1}\n{"a": 2}\n')
    assert is_lines(b'\n \n{"a": 1}\r\n\n{"a": 2')
    for other in (b"", b"{}", b'{"a": 1}\n', b'{\n"a": 1}\n', b'[{"a": 1},\n{"a": 2}]', b'{"a": 1}\nx', b"<html>\n{"):
        assert not is_lines(other)


def vizwiz_row(number: int) -> dict:
    image = f"VizWiz_val_{number:08d}.jpg"
    return {
        "image": image,
        "question": "What?",
        "answers": [vqa_answer("soup")],
        "answer_type": "other",
        "answerable": 1,
    }


def test_json_lines_instead_of_a_list_are_read_with_a_note(home, tmp_path, capsys) -> None:
    rows = [vizwiz_row(n) for n in (1, 2)]
    lay(tmp_path / "list", "val.json", rows)
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "val.json").write_text("\n".join(map(json.dumps, rows)))
    build(home, tmp_path / "list", name="vizwiz", media=False)
    as_list = annotations(home, "vizwiz", "validation")
    assert "JSON Lines" not in capsys.readouterr().err
    build(home, tmp_path / "lines", name="vizwiz", media=False)
    assert annotations(home, "vizwiz", "validation") == as_list
    assert "val.json: holds JSON Lines instead of one list" in capsys.readouterr().err
    (tmp_path / "lines" / "val.json").write_text("\n".join(map(json.dumps, rows))[:-5])
    with pytest.raises(DataError, match=r"val\.json: line 2: cannot be read as JSON"):
        build(home, tmp_path / "lines", name="vizwiz", media=False)


def test_a_list_instead_of_json_lines_is_read_with_a_note(home, tmp_path, capsys) -> None:
    rows = [{"id": f"0{n}", "img": f"img/0{n}.png", "label": n % 2, "text": f"word {n}"} for n in (1, 2)]
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "dev_seen.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lay(tmp_path / "list", "dev_seen.jsonl", rows)
    build(home, tmp_path / "lines", name="hateful_memes", media=False)
    as_lines = annotations(home, "hateful_memes", "validation")
    assert "JSON list" not in capsys.readouterr().err
    build(home, tmp_path / "list", name="hateful_memes", media=False)
    assert annotations(home, "hateful_memes", "validation") == as_lines
    assert "dev_seen.jsonl: holds one JSON list instead of JSON Lines" in capsys.readouterr().err


def test_json_lines_instead_of_an_object_are_named_in_the_error(home, tmp_path) -> None:
    (tmp_path / "testdev_balanced_questions.json").write_text('{"a": 1}\n{"b": 2}\n')
    with pytest.raises(DataError, match="expected one JSON object, found JSON Lines; is this a file of"):
        build(home, tmp_path, name="gqa", media=False)


def test_nocaps_builds_without_domains(home, tmp_path) -> None:
    """The file of the bucket has none."""
    images = [{"id": n, "open_images_id": f"00{n}", "file_name": f"00{n}.jpg"} for n in (0, 1)]
    captions = [{"id": n, "image_id": n, "caption": "A cup."} for n in (0, 1)]
    lay(tmp_path, "nocaps_val_4500_captions.json", {"images": images, "annotations": captions})
    build(home, tmp_path, name="nocaps", media=False)
    assert {a.extra.get("domain") for a in annotations(home, "nocaps", "validation").values()} == {None}


@pytest.mark.parametrize(
    "link",
    ["http://[::1", "", "train2017", "http://x/train2014/000000000001.jpg", "http://x/val2017/a.jpg",
     f"http://x/val2017/{'9' * 5000}.jpg", f"http://x/val2017/{chr(0x663) * 12}.jpg", "http://x/?/val2017/000000000001.jpg"],
)  # fmt: skip
def test_a_vsr_link_without_an_image_is_one_line(home, tmp_path, link: str) -> None:
    row = {"image": "000000000001.jpg", "image_link": link, "caption": "c", "label": 1}
    (tmp_path / "test.jsonl").write_text(json.dumps(row))
    with pytest.raises(DataError, match=r"line 1: 'image_link': expected \.\.\./train2017\|val2017/ID\.jpg, found '"):
        build(home, tmp_path, name="vsr", split="test", media=False)


@pytest.mark.parametrize("image_id", [10**400, 10**12, -1])
def test_an_invalid_image_number_is_one_line(home, tmp_path, image_id: int) -> None:
    lay(tmp_path, "aokvqa_v1p0_train.json", [{**aokvqa_row("train"), "image_id": image_id}])
    with pytest.raises(DataError, match=r"annotation '22jb.*: expected a number of up to 12 digits, found -?1"):
        build(home, tmp_path, name="aokvqa", media=False)


@pytest.mark.parametrize("photo", ["../../etc/passwd", "a/../b", "/etc/passwd", "a\\b", "a\x00b", ".."])
def test_an_image_name_outside_its_folder_is_one_line(home, tmp_path, photo: str) -> None:
    images = [{"id": 0, "open_images_id": photo}]
    lay(tmp_path, "nocaps-val.json", {"images": images, "annotations": [{"id": 0, "image_id": 0, "caption": "A cup."}]})
    with pytest.raises(DataError, match="annotation '0': expected the name of an image, found '"):
        build(home, tmp_path, name="nocaps", media=False)


def record(number: int, num_rounds: int, question: str) -> dict:
    name = f"{number:012d}"
    said = [{"from": who, "value": question} for _ in range(num_rounds) for who in ("human", "gpt")]
    return {"id": name, "image": f"{name}.jpg", "conversations": said}


def test_the_parts_of_llava_are_told_apart(home, tmp_path, capsys) -> None:
    talks = [record(n, 3, f"Is it {n}?") for n in range(60)]
    long = [record(n, 1, f"Describe it, way {n % 7}.") for n in range(60)]
    reasons = [record(n, 1, f"Why {n}?") for n in range(60)]
    files = {
        "llava_conversation": "conversation_58k.json",
        "llava_detail": "detail_23k.json",
        "llava_reasoning": "complex_reasoning_77k.json",
    }
    own = {"llava_conversation": talks, "llava_detail": long, "llava_reasoning": reasons}
    for name, file in files.items():
        for other, records in own.items():
            folder = tmp_path / name / other
            lay(folder, file, records)
            capsys.readouterr()
            if "llava_conversation" in (name, other) and name != other:
                with pytest.raises(DataError, match=r"of 60 records have several rounds; is this a file of another"):
                    build(home, folder, name=name, media=False)
                continue
            build(home, folder, name=name, media=False)
            assert ("different first questions in 60 records" in capsys.readouterr().err) == (name != other)


def test_a_mark_compares_types_too() -> None:
    assert Mark(key="a", value=1).holds({"a": 1})
    assert Mark(key="a", value=1).holds({})
    assert not Mark(key="a", value=1).holds({"a": True})
    assert not Mark(key="a", span=(0, 1)).holds({"a": False})
    assert not Mark(key="a", span=(0, 1)).holds({"a": 0.5})
    assert not Mark(key="a").holds({"a": None})
    assert not Mark(key="a", is_needed=True).holds({})
    assert Mark(key="a", is_needed=True).holds({"a": None})


@pytest.mark.parametrize(
    "value",
    [1.5, [1], [2, 1], ["a", "b"], [], {}, {"like": "("}, {"like": "a"}, {"like": 1, "words": "x"}, {"hint": True},
     {"value": None}, {"is": 1}, {"needed": 1}],
)  # fmt: skip
def test_marks_are_read_strictly(value: object) -> None:
    table = Table.of({"marks": {"rows": {"a": value}}}, "toy", "cards/toy.md", "files[0]")
    with pytest.raises(DataError, match=r"toy: cards/toy\.md: files\[0\]\.marks\.rows"):
        read_marks(table)
