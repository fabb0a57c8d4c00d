"""The miniature's texts: in the official format, with its odd cases, and true about the images."""

import json
import re
import zipfile
from collections import Counter

import pytest
from mini_mirror import WORLD, content, place, shape_meant, value

from ib_data.builders.miniature import write_mirror
from ib_data.builders.miniature.vsr import RELATIONS
from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.scene import ALL_COLOURS, KINDS
from ib_data.builders.miniature.world.words import CORNERS, THINGS
from ib_data.cards import load_card


@pytest.mark.parametrize("seed", [0, 5])
def test_captions_are_true(tmp_path, seed):
    write_mirror(tmp_path / "m", seed=seed)
    world = Population(seed=seed, num_images=40)
    colours = re.compile(rf"\b({'|'.join(ALL_COLOURS)})\b")
    for image in value(tmp_path / "m", "coco_caption", form="karpathy")["images"]:
        scene = world.scene(image["cocoid"])
        pairs = Counter((s.colour, s.kind) for s in scene.shapes)
        for sentence in image["sentences"]:
            text = " ".join(sentence["raw"].split()).replace("\ufffd", "")
            assert set(colours.findall(text)) <= {s.colour for s in scene.shapes} | {scene.background}
            named = re.findall(rf"({'|'.join(ALL_COLOURS)}) ({'|'.join(KINDS)})", text)
            assert not Counter(named) - pairs
            for number, noun in re.findall(r"(one|two|three|four) (\w+)", text):
                kind = next((k for k in KINDS if noun in (k, f"{k}s", f"{k}es")), None)
                count = scene.count(kind) if kind else len(scene.shapes)
                assert count == ("one", "two", "three", "four").index(number) + 1
            side = re.search(r"(\w+ \w+) to the left of an? (\w+ \w+)", text)
            if side:
                first, last = ([s for s in scene.shapes if s.name == name] for name in side.groups())
                assert any(a.column < b.column for a in first for b in last)


def test_karpathy_rows_have_the_official_form_and_its_oddities(folder):
    data = value(folder, "coco_caption", form="karpathy")
    assert list(data) == ["images", "dataset"]
    splits = Counter(image["split"] for image in data["images"])
    assert set(splits) == {"train", "restval", "val", "test"}
    assert splits["train"] == 40
    sentids, raws = set(), []
    for number, image in enumerate(data["images"]):
        assert image["imgid"] == number
        assert (image["filepath"] == "train2014") == (image["split"] == "train")
        assert image["filename"] == f"COCO_{image['filepath']}_{image['cocoid']:012d}.jpg"
        assert image["sentids"] == [s["sentid"] for s in image["sentences"]]
        assert not sentids & set(image["sentids"])
        sentids |= set(image["sentids"])
        for sentence in image["sentences"]:
            assert set(sentence) == {"tokens", "raw", "imgid", "sentid"}
            assert sentence["tokens"] == re.findall(r"[a-z0-9]+", sentence["raw"].lower())
            raws.append(sentence["raw"])
    train = [image["sentences"] for image in data["images"] if image["split"] == "train"]
    assert Counter(map(len, train)).keys() == {5, 6}
    assert any(len({s["raw"] for s in sentences}) < len(sentences) for sentences in train)
    for odd in (r"  ", r"\w ?\n ?\w", r"\n$", r" $", r"^ ", "\ufffd"):
        assert any(re.search(odd, raw) for raw in raws), odd


def test_official_captions_are_those_of_karpathy(folder):
    karpathy = {
        s["sentid"]: (image["cocoid"], s["raw"])
        for image in value(folder, "coco_caption", form="karpathy")["images"]
        for s in image["sentences"]
    }
    official = {}
    for split, store in (("train", "coco_train2017"), ("validation", "coco_val2017")):
        data = value(folder, "coco_caption", split, form="official")
        assert list(data) == ["info", "licenses", "images", "annotations"]
        assert {image["id"] for image in data["images"]} == set(WORLD.stores[store])
        official |= {a["id"]: (a["image_id"], a["caption"]) for a in data["annotations"]}
    assert official == karpathy


def test_vqa_answers_are_true_by_majority(folder):
    kinds_of_answer = Counter()
    for split in ("train", "validation"):
        asked = {q["question_id"]: q for q in value(folder, "vqav2", split, "questions")["questions"]}
        answered = value(folder, "vqav2", split, "answers")["annotations"]
        assert [a["question_id"] for a in answered] == list(asked)
        for row in answered:
            question, scene = asked[row["question_id"]]["question"], WORLD.scene(row["image_id"])
            texts = Counter(answer["answer"] for answer in row["answers"])
            assert [answer["answer_id"] for answer in row["answers"]] == list(range(1, 11))
            assert texts[row["multiple_choice_answer"]] >= 7
            assert row["question_id"] // 1000 == row["image_id"] == asked[row["question_id"]]["image_id"]
            assert row["multiple_choice_answer"] == truth(scene, question), question
            kinds_of_answer[row["answer_type"], row["multiple_choice_answer"]] += 1
    assert {kind for kind, _ in kinds_of_answer} == {"yes/no", "number", "other"}
    assert kinds_of_answer["yes/no", "yes"] > 20
    assert kinds_of_answer["yes/no", "no"] > 20


def truth(scene, question):
    if question.startswith("What color"):
        return shape_meant(scene, question).colour
    if question.startswith("What shape"):
        return shape_meant(scene, question.replace("What shape is in", "the shape in")).kind
    if question == "How many shapes are in the picture?":
        return str(len(scene.shapes))
    if question.startswith("How many"):
        return str(sum(question.startswith(f"How many {s.kind}") for s in scene.shapes))
    if question.startswith("Is there"):
        return "yes" if any(f" {s.kind} " in question for s in scene.shapes) else "no"
    if " left of " in question:
        one, other = question.split(" to the left of ")
        return "yes" if shape_meant(scene, one).column < shape_meant(scene, other).column else "no"
    return "yes" if question.endswith(f" {shape_meant(scene, question).size}?") else "no"


def test_vqa_test_questions_have_no_answers_and_a_part_is_test_dev(folder):
    path = place(folder, next(f.url for f in load_card("vqav2").files if f.split == "test"))
    archive = zipfile.ZipFile(path)
    full, dev = (json.loads(archive.read(name))["questions"] for name in archive.namelist())
    assert len(archive.namelist()) == 2
    assert {q["question_id"] for q in dev} < {q["question_id"] for q in full}
    assert {q["image_id"] for q in full} == set(WORLD.stores["coco_test2015"])


def test_okvqa_answers_come_in_pairs_and_hold_the_odd_cases(folder):
    for split in ("train", "validation"):
        asked = {q["question_id"]: q["question"] for q in value(folder, "okvqa", split, "questions")["questions"]}
        rows = value(folder, "okvqa", split, "answers")["annotations"]
        assert len(rows) == len(asked) - 1
        texts = [[answer["answer"] for answer in row["answers"]] for row in rows]
        assert all(len(found) == 10 and found[::2] == found[1::2] for found in texts)
        assert any("" in found for found in texts)
        assert any("\xe3" in text for found in texts for text in found)
        tops = [Counter(found).most_common(2) for found in texts]
        assert any(len(top) == 2 and top[0][1] == top[1][1] for top in tops)
        assert any(a["raw_answer"] != a["answer"] for row in rows for a in row["answers"])
        for row, found in zip(rows, texts, strict=True):
            scene, question = WORLD.scene(row["image_id"]), asked[row["question_id"]]
            assert found[0] in right_answers(scene, question)


def right_answers(scene, question):
    shape = shape_meant(scene, question)
    if question.startswith("How many corners"):
        return (str(CORNERS[shape.kind]), "none", "zero") if shape.kind == "circle" else (str(CORNERS[shape.kind]),)
    return THINGS[shape.colour]


def test_aokvqa_rows_have_the_official_form_and_one_right_choice(folder):
    ids = set()
    for split, source in (("train", "train"), ("validation", "val"), ("test", "test")):
        rows = value(folder, "aokvqa", split)
        assert len({row["image_id"] for row in rows}) == len(rows)
        for row in rows:
            assert row["split"] == source
            assert len(row["question_id"]) == 22
            assert len(row["choices"]) == 4
            ids.add(row["question_id"])
            answer_keys = {"correct_choice_idx", "direct_answers", "rationales"} & set(row)
            assert len(answer_keys) == (0 if split == "test" else 3)
            if split == "test":
                continue
            right = right_answers(WORLD.scene(row["image_id"]), row["question"])
            assert row["choices"][row["correct_choice_idx"]] in right
            assert len(row["direct_answers"]) == 10
            assert len(row["rationales"]) == 3
            assert Counter(row["direct_answers"]).most_common(1)[0][0] in right
            assert not set(row["choices"]) - {row["choices"][row["correct_choice_idx"]]} & set(right)
    assert len(ids) == 40 + 20 - 8 + 8 + 5
    train = value(folder, "aokvqa", "train")
    repeated = [row for row in train if len(set(row["choices"])) < 4]
    assert any(row["choices"][0] == row["choices"][2] and row["correct_choice_idx"] == 2 for row in repeated)
    assert any("" in row["direct_answers"] for row in train)
    assert any(row["difficult_direct_answer"] for row in train)


def test_vsr_statements_are_as_true_as_their_labels(folder):
    images, labels, folders = {}, Counter(), Counter()
    for split in ("train", "validation", "test"):
        rows = [json.loads(line) for line in content(folder, "vsr", split).splitlines()]
        images[split] = {row["image"] for row in rows}
        for row in rows:
            image_id = int(row["image"].removesuffix(".jpg"))
            store = row["image_link"].split("/")[-2]
            assert image_id in WORLD.stores[f"coco_{store}"]
            assert row["image_link"].endswith(f"/{store}/{row['image']}")
            subject, other = row["caption"].removesuffix(".").split(f" is {row['relation']} ")
            scene = WORLD.scene(image_id)
            one, two = shape_meant(scene, subject.lower()), shape_meant(scene, other.lower())
            assert RELATIONS[row["relation"]](one, two) == bool(row["label"])
            assert (row["vote_true_validator_id"] == "[]") == (row["label"] == 0)
            assert isinstance(row["vote_false_validator_id"], str)
            labels[split, row["label"]] += 1
            folders[split, store] += 1
    assert len(images["train"] & images["test"]) == 1
    assert min(labels.values()) > 0
    assert len(labels) == 6
    assert folders["test", "val2017"] > 0
    assert folders["train", "val2017"] > 0
