"""The miniature's LLaVA, VisDial, GQA, VizWiz and Hateful Memes: official forms, odd cases, and facts that are true."""

import io
import json
import re
import zipfile

import pytest
from mini_mirror import WORLD, shape_meant
from PIL import Image

from ib_data.builders.miniature import gqa as graphs
from ib_data.builders.miniature import hateful_memes as memes
from ib_data.builders.miniature import visdial as dialogs
from ib_data.builders.miniature import vizwiz as snapshots
from ib_data.builders.miniature.world.scene import KINDS
from ib_data.cards import load_card, media_stores


def read(folder, name, split=None, role="annotations") -> str:
    (file,) = [f for f in load_card(name).files if f.role == role and f.split in (None, split)]
    path = folder / file.place
    return (zipfile.ZipFile(path).read(file.member) if file.member else path.read_bytes()).decode()


@pytest.mark.parametrize("name", ["llava_conversation", "llava_detail", "llava_reasoning"])
def test_llava_records_have_the_official_form_and_its_oddities(folder, name):
    records = json.loads(read(folder, name))
    assert all(record["image"] == f"{record['id']}.jpg" for record in records)
    assert {int(record["id"]) for record in records} == set(WORLD.stores["coco_train2017"])
    first = [record["conversations"][0]["value"] for record in records]
    assert {(text.startswith("<image>\n"), text.endswith("\n<image>")) for text in first} == {
        (True, False),
        (False, True),
    }
    said = [[half["from"] for half in record["conversations"]] for record in records]
    assert all(speakers == ["human", "gpt"] * (len(speakers) // 2) for speakers in said)
    assert any("\n" in half["value"] for record in records for half in record["conversations"] if half["from"] == "gpt")
    repeated = len(records) - len({record["id"] for record in records})
    assert (repeated > 0) == (name == "llava_conversation")
    assert {len(speakers) for speakers in said} == ({6} if name == "llava_conversation" else {2})


def test_llava_replies_are_true(folder):
    for record in json.loads(read(folder, "llava_conversation")):
        scene = WORLD.scene(int(record["id"]))
        said = [half["value"].replace("<image>\n", "").replace("\n<image>", "") for half in record["conversations"]]
        for asked, reply in zip(said[::2], said[1::2], strict=True):
            if asked.startswith("What color is"):
                assert " ".join(reply.split()).startswith(f"It is {shape_meant(scene, asked).colour}.")
            if asked.startswith("Is there"):
                kind = next(kind for kind in KINDS if kind in asked)
                assert reply.startswith("Yes") == (scene.count(kind) > 0)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_visdial_has_the_official_form_and_is_true(folder, split):
    top = json.loads(read(folder, "visdial", split))
    assert top["split"] == load_card("visdial").splits[split].source_name
    data = top["data"]
    assert not any("?" in text for text in data["questions"])
    twice = 0
    for dialog in data["dialogs"]:
        scene = WORLD.scene(dialog["image_id"])
        asked = [data["questions"][turn["question"]] for turn in dialog["dialog"]]
        twice += len(set(asked)) < len(asked)
        assert len(asked) == 10 or split == "test"
        for number, (turn, question) in enumerate(zip(dialog["dialog"], asked, strict=True)):
            is_hidden = split == "test" and number == len(asked) - 1
            assert ("answer" in turn) != is_hidden
            assert ("answer_options" in turn) == (is_hidden or split != "test")
            assert len(turn.get("answer_options", range(100))) == 100
            if split != "test":
                assert turn["answer_options"][turn["gt_index"]] == turn["answer"]
            kind = re.fullmatch(rf"is there an? ({'|'.join(KINDS)})", question)
            if kind and not is_hidden:
                assert data["answers"][turn["answer"]] == ("yes" if scene.count(kind[1]) else "no")
    assert twice > 0
    if split == "validation":
        dense = json.loads(read(folder, "visdial", split, "relevance"))
        assert [row["image_id"] for row in dense] == [dialog["image_id"] for dialog in data["dialogs"]]
        assert {len(row["gt_relevance"]) for row in dense} == {100}


def test_visdial_images_are_not_coco_images():
    stored = {int(name[-16:-4]) for split in dialogs.STORES for name, _ in dialogs.images(split, WORLD)}
    assert not stored & WORLD.ordinals.keys()


def test_gqa_has_ids_with_zeros_two_right_answers_and_nulls(folder):
    photos = {name for name, _ in graphs.images(WORLD)}
    seen = set()
    for split in ("train", "validation", "test"):
        rows = json.loads(read(folder, "gqa", split))
        assert any(key.startswith("0") for key in rows)
        asked = [(row["imageId"], row["question"]) for row in rows.values()]
        assert len(set(asked)) < len(asked)
        assert {row["groups"]["global"] for row in rows.values()} == {None, "shape"}
        assert {f"images/{row['imageId']}.jpg" for row in rows.values()} <= photos
        assert {row["imageId"].startswith("n") for row in rows.values()} == {split == "test"}
        assert not rows.keys() & seen
        seen |= rows.keys()


def test_vizwiz_has_both_orders_of_keys_talk_and_unanswerable_questions(folder):
    for split in ("train", "validation"):
        rows = json.loads(read(folder, "vizwiz", split))
        assert {tuple(answer) for row in rows for answer in row["answers"]} == {
            ("answer", "answer_confidence"), ("answer_confidence", "answer"),
        }  # fmt: skip
        assert {len(row["answers"]) for row in rows} == {10}
        assert {row["answerable"] for row in rows} == {0, 1}
        assert any("?" not in row["question"] for row in rows)
        vague = next(row for row in rows if row["question"] == "What is this?")
        given = [answer["answer"] for answer in vague["answers"]]
        assert (max(given, key=given.count), vague["answer_type"], vague["answerable"]) == ("unanswerable", "other", 1)
    bare = json.loads(read(folder, "vizwiz", "test"))
    full = json.loads(read(folder, "vizwiz", "test", "published_answers"))
    assert bare == [{"image": row["image"], "question": row["question"]} for row in full]
    assert [f"test/{row['image']}" for row in bare] == [name for name, _ in snapshots.images("test", WORLD)]


def test_a_meme_is_hateful_only_if_its_words_are_about_its_image(folder):
    labels = []
    for split in ("train", "validation", "test"):
        for row in map(json.loads, read(folder, "hateful_memes", split).splitlines()):
            number = (int(row["id"]) - 1) // 37
            scene = WORLD.scene(14_000_000 + number)
            kind = next(kind for kind in KINDS if row["text"].removesuffix(" around here").endswith(kind))
            assert row["label"] == (row["text"].startswith("nobody") and scene.count(kind) > 0)
            assert (len(row["id"]), row["img"]) == (5, f"img/{row['id']}.png")
            labels.append((split, row["label"]))
    assert set(labels) == {(split, label) for split in ("train", "validation", "test") for label in (0, 1)}


def test_a_meme_is_a_png_with_its_words_in_ink():
    for name, data in memes.images(WORLD):
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert name.startswith(media_stores()["hateful_memes_images"].layout.split("{")[0])
        strip = image.crop((0, image.height - 20, image.width, image.height)).convert("L")
        assert strip.getextrema() == (0, 255)
