"""Official files of LLaVA-Instruct, GQA, VizWiz and VisDial. Of Hateful Memes none may be passed on, so none is here.

LLaVA's reasoning file is reassembled from another serialisation (class C) and the conversation is one record quoted in
public documentation (class D). GQA's and VisDial's files are subsets in the official form (class B; VisDial's tables
were cut and renumbered); the two questions of `gqa/allennlp` are as published (A). VizWiz is reassembled (C): its
`answerable` was derived from `answer_type`.
"""

import json
import shutil

import pytest

pytestmark = pytest.mark.real
REASONING = "complex_reasoning_77k.json"


def test_llava_reasoning_reassembled(real, build, rows) -> None:
    """All of its markers stand after the text; that of the documented conversation stands before it."""
    build("llava_reasoning", "llava_instruct/reassembled", more=("--no-media",))
    official = json.loads((real / "llava_instruct" / "reassembled" / REASONING).read_text())
    found = rows("llava_reasoning", "train")
    assert len(found) == len(official) == 602
    for record in official:
        asked, reply = (half["value"] for half in record["conversations"])
        row = found[f"{record['id']}-0"]
        assert asked.endswith("\n<image>")
        assert row["question"] == asked.removesuffix("\n<image>")
        assert "<image>" not in row["question"]
        assert row["answers"] == [{"text": reply, "count": 1}]
    assert max(len(row["answers"][0]["text"].split()) for row in found.values()) > 50
    assert any(any(c.isupper() for c in row["answers"][0]["text"]) for row in found.values())


def test_llava_reasoning_on_the_photos_that_are_there(real, build, rows, drops) -> None:
    build("llava_reasoning", "llava_instruct/reassembled", "media/coco", more=("--allow-missing",))
    photos = {path.stem[-12:] for path in (real / "media" / "coco").rglob("*.jpg")}
    found, lost = rows("llava_reasoning", "train"), drops("llava_reasoning", "train")
    assert {row_id[:12] for row_id in found} <= photos
    assert found
    assert {reason for _, reason in lost} == {"media missing"}
    assert len(found) + len(lost) == 602


def test_a_documented_conversation_of_three_turns(cli, home, real, tmp_path, rows) -> None:
    """Its image is written with a folder (`coco/train2017/`), which the three official files do not do."""
    official = real / "llava_instruct" / "llava_v1_5_mix665k.documented.json"
    shutil.copy(official, tmp_path / "conversation_58k.json")
    given = ("--source", tmp_path, "--home", home.root, "--no-media")
    assert cli("build", "llava_conversation", *given).code == 0
    said = [half["value"] for half in json.loads(official.read_text())[0]["conversations"]]
    found = rows("llava_conversation", "train")
    assert sorted(found) == [f"000000033471-{turn}" for turn in range(3)]
    assert found["000000033471-0"]["question"] == said[0].removeprefix("<image>\n")
    third = found["000000033471-2"]
    assert (third["question"], third["answers"]) == (said[4], [{"text": said[5], "count": 1}])
    assert third["media_name"] == "train2017/000000033471.jpg"
    assert [(t["question"], t["answer"]) for t in third["history"]] == [
        (said[0].removeprefix("<image>\n"), said[1]),
        (said[2], said[3]),
    ]


def test_gqa_testdev_subset(real, build, rows) -> None:
    build("gqa", "gqa/testdev_balanced_questions.json", more=("--no-media",))
    official = json.loads((real / "gqa" / "testdev_balanced_questions.json").read_text())
    found = rows("gqa", "test")
    assert len(found) == 1005
    assert found.keys() == official.keys()
    one, other = found["20489762"], found["20489597"]
    assert (one["question"], one["key"]) == (other["question"], other["key"])
    assert one["answers"] == [{"text": "shelves", "count": 1}]
    assert other["answers"] == [{"text": "bed", "count": 1}]
    nulls = 0
    for question_id, row in official.items():
        extra = json.loads(found[question_id]["extra"])
        nulls += row["groups"]["global"] is None
        assert extra["groups"] == {key: value for key, value in row["groups"].items() if value}
        assert (extra["types"], extra["isBalanced"]) == (row["types"], True)
        assert extra["fullAnswer"] == row["fullAnswer"]
    assert nulls == 275


def test_gqa_questions_with_their_photos(cli, home, real, tmp_path, rows, media) -> None:
    """Two whole questions under a name of their own, laid out as test-dev's."""
    both = {}
    for path in sorted((real / "gqa" / "allennlp" / "question_dir").glob("*.json")):
        both |= json.loads(path.read_text())
    (tmp_path / "testdev_balanced_questions.json").write_text(json.dumps(both))
    given = ("--source", tmp_path, "--source", real / "media" / "gqa")
    result = cli("build", "gqa", *given, "--home", home.root)
    assert result.code == 0, result.err
    found = rows("gqa", "test")
    assert found.keys() == both.keys()
    assert len(found) == 2
    for question_id, row in both.items():
        photo = real / "media" / "gqa" / "images" / f"{row['imageId']}.jpg"
        assert media("gqa", "test", found[question_id]) == photo.read_bytes()


def test_vizwiz_validation_reassembled(real, build, rows) -> None:
    build("vizwiz", "vizwiz", more=("--no-media",))
    official = json.loads((real / "vizwiz" / "val.json").read_text())
    found = rows("vizwiz", "validation")
    assert len(found) == len(official) == 761
    for row in official:
        ours = found[row["image"].removesuffix(".jpg")]
        assert sum(answer["count"] for answer in ours["answers"]) == len(row["answers"]) == 10
        assert ours["label"] == ("answerable" if row["answerable"] else "unanswerable")
        assert {answer["text"] for answer in ours["answers"]} == {answer["answer"] for answer in row["answers"]}
    odd = found["VizWiz_val_00000016"]
    assert max(odd["answers"], key=lambda answer: answer["count"])["text"] == "unanswerable"
    assert (odd["label"], json.loads(odd["extra"])) == ("answerable", {"answer_type": "other"})
    talk = found["VizWiz_val_00000000"]
    assert "?" not in talk["question"]
    assert talk["label"] == "unanswerable"


def test_visdial_validation_subset(real, build, rows) -> None:
    """None of these twelve dialogues asks a question twice in the same words; the builder's own test has one."""
    build("visdial", "visdial", more=("--no-media",))
    data = json.loads((real / "visdial" / "visdial_1.0_val.json").read_text())["data"]
    found = rows("visdial", "validation")
    assert len(found) == 10 * len(data["dialogs"]) == 120
    for dialog in data["dialogs"]:
        said = [(data["questions"][t["question"]], data["answers"][t["answer"]]) for t in dialog["dialog"]]
        for number, turn in enumerate(dialog["dialog"]):
            row = found[f"{dialog['image_id']}-{number + 1}"]
            assert row["question"] == " ".join(said[number][0].split())
            assert not row["question"].endswith("?")
            assert row["answer_index"] == turn["gt_index"]
            assert row["options"] == [" ".join(data["answers"][place].split()) for place in turn["answer_options"]]
            assert row["options"][row["answer_index"]] == row["answers"][0]["text"]
            assert [(t["question"], t["answer"]) for t in row["history"] or ()] == [
                tuple(" ".join(text.split()) for text in pair) for pair in said[:number]
            ]
            assert row["caption"] == " ".join(dialog["caption"].split())


def test_visdial_keeps_dense_relevance(real, build, rows) -> None:
    build("visdial", "visdial", more=("--no-media",))
    dense = json.loads((real / "visdial" / "visdial_1.0_val_dense_annotations.json").read_text())
    found = rows("visdial", "validation")
    graded = {row_id: json.loads(row["extra"]).get("relevance") for row_id, row in found.items()}
    assert {row_id: values for row_id, values in graded.items() if values} == {
        f"{row['image_id']}-{row['round_id']}": row["gt_relevance"] for row in dense
    }
    assert len(dense) == 12
