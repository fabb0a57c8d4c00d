"""GQA, VizWiz and Hateful Memes: ids that are texts, labels that are words. Rows follow the documented formats.

No real rows of Hateful Memes exist beside this project: they may not be passed on.
"""

import json
import zipfile
from pathlib import Path

import pytest
from official import build, drops, lay, photo, samples, vqa_answer

from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import load_card
from ib_data.errors import DataError

TESTDEV = "testdev_balanced_questions.json"


def annotations(home, name: str, split: str) -> dict:
    return {a.id: a for sample, _ in samples(home, name, split) for a in sample.annotations}


def gqa_row(**change: object) -> dict:
    return {"imageId": "n100002", "question": "Which kind is it?", "answer": "shelf", "isBalanced": True, **change}


def gqa(home, tmp_path, **rows: dict) -> dict:
    lay(tmp_path / "s", TESTDEV, {key.removeprefix("q"): row for key, row in rows.items()})
    build(home, tmp_path / "s", name="gqa", media=False)
    return annotations(home, "gqa", "test")


def test_gqa_ids_stay_texts_and_one_question_under_two_ids_is_two(home, tmp_path) -> None:
    found = gqa(home, tmp_path, q0020=gqa_row(), q020=gqa_row(answer="bed"), q20=gqa_row(imageId="0017"))
    assert {key: a.answers[0].text for key, a in found.items()} == {"0020": "shelf", "020": "bed", "20": "shelf"}
    names = {sample.media.source_name: sample.key for sample, _ in samples(home, "gqa", "test")}
    assert names == {"images/n100002.jpg": "gqa-test-n100002", "images/0017.jpg": "gqa-test-0017"}


def test_gqa_keeps_extra_values_without_nulls(home, tmp_path) -> None:
    more = {
        "fullAnswer": "It is a shelf.",
        "groups": {"global": None, "local": "15-floor"},
        "types": {"structural": "query", "semantic": "rel", "detailed": "relS"},
        "semanticStr": "select: floor (5)",
        "semantic": [{"operation": "select", "dependencies": [], "argument": "floor (5)"}],
        "entailed": ["021"],
        "equivalent": [],
        "annotations": {"answer": {"0": "17"}},
    }
    found = gqa(home, tmp_path, q1=gqa_row(**more), q2=gqa_row(groups={"global": None, "local": None}))
    assert found["1"].extra == {
        "isBalanced": True,
        "fullAnswer": "It is a shelf.",
        "types": {"structural": "query", "semantic": "rel", "detailed": "relS"},
        "groups": {"local": "15-floor"},
        "semanticStr": "select: floor (5)",
        "entailed": ["021"],
    }
    assert found["2"].extra == {"isBalanced": True}


def test_a_duplicate_key_in_gqa_is_an_error(home, tmp_path) -> None:
    row = json.dumps(gqa_row())
    (tmp_path / TESTDEV).write_text(f'{{"01": {row}, "02": {row}, "01": {row}}}')
    with pytest.raises(DataError, match=rf"{TESTDEV}: the key '01' occurs twice in one object"):
        build(home, tmp_path, name="gqa", media=False)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (gqa_row(imageId=7), "03: 'imageId': expected a text, found 7"),
        (gqa_row(imageId="../n7"), "03: 'imageId': expected letters and digits, found '../n7'"),
        (gqa_row(answer=None), "03: 'answer': expected a text, found None"),
        (gqa_row(types=[]), "03: 'types': expected a table"),
        ([], "03: expected a table"),
    ],
)
def test_a_faulty_question_of_gqa_is_named(home, tmp_path, row: object, what: str) -> None:
    with pytest.raises(DataError, match=what):
        gqa(home, tmp_path, q01=gqa_row(), q03=row)


def test_a_list_instead_of_gqas_object_is_an_error(home, tmp_path) -> None:
    lay(tmp_path, TESTDEV, [gqa_row()])
    with pytest.raises(DataError, match="expected an object of rows by their ids, found a list"):
        build(home, tmp_path, name="gqa", media=False)


def vizwiz_row(number: int = 16, folder: str = "val", **change: object) -> dict:
    answers = [vqa_answer("soup"), {"answer_confidence": "no", "answer": "unanswerable"}, vqa_answer("soup")]
    image = f"VizWiz_{folder}_{number:08d}.jpg"
    row = {"answers": answers, "image": image, "answer_type": "other", "question": "What is it? ", "answerable": 1}
    return row | change


def test_vizwiz_keeps_unanswerable_as_an_answer_and_as_a_label(home, tmp_path) -> None:
    none = vizwiz_row(0, answers=[vqa_answer("unanswerable")] * 10, answerable=0, answer_type="unanswerable")
    lay(tmp_path / "s", "val.json", [vizwiz_row(), none])
    for number in (0, 16):
        (tmp_path / "s" / f"VizWiz_val_{number:08d}.jpg").write_bytes(photo(number))
    build(home, tmp_path / "s", name="vizwiz")
    found = annotations(home, "vizwiz", "validation")
    assert found.keys() == {"VizWiz_val_00000000", "VizWiz_val_00000016"}
    known, unknown = found["VizWiz_val_00000016"], found["VizWiz_val_00000000"]
    assert [(a.text, a.count) for a in known.answers] == [("soup", 2), ("unanswerable", 1)]
    assert (known.question, known.label, known.extra) == ("What is it?", "answerable", {"answer_type": "other"})
    assert [(a.text, a.count) for a in unknown.answers] == [("unanswerable", 10)]
    assert unknown.label == "unanswerable"
    assert [sample.media.source_name for sample, _ in samples(home, "vizwiz", "validation")] == [
        "val/VizWiz_val_00000000.jpg", "val/VizWiz_val_00000016.jpg",
    ]  # fmt: skip


def test_vizwiz_test_has_answers_only_with_the_published_file(home, tmp_path, capsys) -> None:
    rows = [vizwiz_row(n, "test") for n in (1, 2)]
    lay(tmp_path / "s", "test.json", [{"image": row["image"], "question": row["question"]} for row in rows])
    build(home, tmp_path / "s", name="vizwiz", split="test", media=False)
    assert "VQA_test.json (published_answers) is not in --source; built without it" in capsys.readouterr().err
    assert {(a.label, a.answers) for a in annotations(home, "vizwiz", "test").values()} == {(None, ())}
    lay(tmp_path / "s", "VQA_test.json", rows[::-1])
    build(home, tmp_path / "s", name="vizwiz", split="test", media=False)
    assert {a.label for a in annotations(home, "vizwiz", "test").values()} == {"answerable"}
    lay(tmp_path / "s", "VQA_test.json", [vizwiz_row(7, "test")])
    with pytest.raises(DataError, match=r"no image of test\.json is here"):
        build(home, tmp_path / "s", name="vizwiz", split="test", media=False)
    lay(tmp_path / "s", "VQA_test.json", [rows[0], rows[0]])
    with pytest.raises(DataError, match=r"row\[1\]: image 'VizWiz_test_00000001\.jpg' occurs twice"):
        build(home, tmp_path / "s", name="vizwiz", split="test", media=False)


def test_a_test_question_of_vizwiz_without_published_answers_is_a_drop(home, tmp_path) -> None:
    rows = [vizwiz_row(n, "test") for n in (1, 2, 3)]
    lay(tmp_path / "s", "test.json", [{"image": row["image"], "question": row["question"]} for row in rows])
    lay(tmp_path / "s", "VQA_test.json", [rows[0], {**rows[2], "answers": []}])
    build(home, tmp_path / "s", name="vizwiz", split="test", media=False)
    assert list(annotations(home, "vizwiz", "test")) == ["VizWiz_test_00000001"]
    assert drops(home, "vizwiz", "test") == [
        (f"VizWiz_test_0000000{number}", "no published answers") for number in (2, 3)
    ]  # fmt: skip
    lay(tmp_path / "s", "VQA_test.json", [])
    with pytest.raises(DataError, match=r"no image of test\.json is here"):
        build(home, tmp_path / "s", name="vizwiz", split="test", media=False)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"image": "VizWiz_test_00000016.jpg"}, "'VizWiz_test_00000016.jpg' is not an image of split validation"),
        ({"image": "16.jpg"}, "'image': expected VizWiz_SPLIT_NUMBER.jpg"),
        ({"answerable": 2}, "'answerable': expected 0 or 1, found 2"),
        ({"answerable": "1"}, "'answerable': expected an integer"),
        ({"answers": [{"answer_confidence": "yes"}]}, "key 'answer' is missing"),
    ],
)
def test_a_faulty_row_of_vizwiz_is_named(home, tmp_path, change: dict, what: str) -> None:
    lay(tmp_path / "s", "val.json", [vizwiz_row(3), vizwiz_row(**change)])
    with pytest.raises(DataError, match=rf"val\.json: row\[1\].*{what}"):
        build(home, tmp_path / "s", name="vizwiz", media=False)


def meme(number: str = "00127", **change: object) -> str:
    return json.dumps({"id": number, "img": f"img/{number}.png", "label": 0, "text": "all  love\nyou", **change})


def memes(folder: Path, *lines: str, name: str = "dev_seen.jsonl") -> Path:
    (folder / "data" / "img").mkdir(parents=True, exist_ok=True)
    (folder / "data" / name).write_text("\n".join(lines))
    for line in lines:
        (folder / "data" / str(json.loads(line)["img"])).write_bytes(photo())
    return folder


def test_the_padded_id_names_the_meme_and_stays_a_text(home, tmp_path) -> None:
    build(home, memes(tmp_path / "s", meme(), meme("127"), meme("08291", label=1)), name="hateful_memes")
    found = annotations(home, "hateful_memes", "validation")
    assert {key: (a.context, a.label) for key, a in found.items()} == {
        "00127": ("all love you", "not hateful"),
        "127": ("all love you", "not hateful"),
        "08291": ("all love you", "hateful"),
    }
    names = {sample.key: sample.media.source_name for sample, _ in samples(home, "hateful_memes", "validation")}
    assert names["hateful_memes-validation-00127"] == "data/img/00127.png"
    assert len(names) == 3


def test_dev_of_the_first_phase_and_dev_unseen_are_not_taken_for_dev_seen(home, tmp_path) -> None:
    memes(tmp_path / "s", meme(), name="dev.jsonl")
    memes(tmp_path / "s", meme(), name="dev_unseen.jsonl")
    job = Build(
        home=home,
        fetcher=Fetcher(downloads=home.downloads),
        folders=SourceFolders((tmp_path / "s",)),
        options=Options(),
    )
    with pytest.raises(DataError) as caught:
        build_dataset(load_card("hateful_memes"), job)
    line = str(caught.value)
    assert "hateful_memes.zip: must be fetched by hand (registration" in line
    assert "dev_seen.jsonl" in line
    assert "www.drivendata.org/competitions/70/hateful-memes-phase-2/data/hateful_memes.zip" in line


def test_a_meme_without_a_label_is_a_drop(home, tmp_path) -> None:
    unlabelled = json.dumps({"id": "5", "img": "img/5.png", "text": "t"})
    build(home, memes(tmp_path / "s", meme(), unlabelled, meme("6", text=" ")), name="hateful_memes")
    assert drops(home, "hateful_memes", "validation") == [("5", "no label"), ("6", "no context")]


def test_the_archive_under_its_password_says_to_unpack_it(home, tmp_path) -> None:
    """Encrypted members are known by a bit of their flags; zipfile cannot write any, so the bit is set by hand."""
    path = tmp_path / "hateful_memes.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("data/dev_seen.jsonl", meme())
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"is encrypted; unpack it with its password and name the unpacked folder"):
        build(home, tmp_path, name="hateful_memes")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (meme(label=2), "'label': expected 0 or 1, found 2"),
        (meme(label="1"), "'label': expected an integer, found '1'"),
        (meme(id=127), "'id': expected a text, found 127"),
        (meme(img="127.png"), "'img': expected img/ID.png, found '127.png'"),
        (meme(img="img/../127.png"), "'img': expected img/ID.png"),
    ],
)
def test_a_faulty_meme_is_named(home, tmp_path, line: str, what: str) -> None:
    (tmp_path / "dev_seen.jsonl").write_text(f"{meme()}\n{line}\n")
    with pytest.raises(DataError, match=rf"dev_seen\.jsonl: line 2: {what}"):
        build(home, tmp_path, name="hateful_memes", media=False)
