"""Cases shaped as the builders make them, and official results files for them, written by hand."""

import json
from typing import Any

from ib_data.evaluation.case import Case
from ib_data.sample import Annotation

RANKS = [3, 1, 2]


def case(dataset: str, split: str, image: str, *ids: str, **fields: Any) -> Case:
    annotations = tuple(Annotation(id=i, **fields) for i in ids)
    return Case(id=ids[0], key=f"{dataset}-{split}-{image}", annotations=annotations, prompt="", template="")


def _pair(dataset: str, split: str, *ids: str, **fields: Any) -> list[Case]:
    return [case(dataset, split, f"{number:012d}", i, **fields) for number, i in enumerate(ids, 1)]


_OPTIONS = ("a cat", "a dog", "a hen")
# dataset -> its cases, an official results file for them, and the answers that it gives
OFFICIAL: dict[str, tuple[list[Case], str, list[str]]] = {
    "vqav2": (
        _pair("vqav2", "validation", "262148000", "262148001"),
        '[{"question_id": 262148001, "answer": "no"}, {"question_id": 262148000, "answer": "down"}]',
        ["down", "no"],
    ),
    "okvqa": (
        _pair("okvqa", "validation", "2971475", "3397615"),
        '[{"answer": "race", "question_id": 2971475}, {"answer": "pony", "question_id": 3397615}]',
        ["race", "pony"],
    ),
    "textvqa": (
        _pair("textvqa", "validation", "34602", "34603"),
        '[{"question_id": 34602, "answer": "nokia"}, {"question_id": 34603, "answer": "7"}]',
        ["nokia", "7"],
    ),
    "vizwiz": (
        _pair("vizwiz", "validation", "VizWiz_val_00000000", "VizWiz_val_00000001"),
        '[{"image": "VizWiz_val_00000000.jpg", "answer": "basil"}, {"image": "VizWiz_val_00000001.jpg", "answer": ""}]',
        ["basil", ""],
    ),
    "gqa": (
        _pair("gqa", "test", "201307251", "07100002"),
        '[{"questionId": "201307251", "prediction": "no"}, {"questionId": "07100002", "prediction": "red"}]',
        ["no", "red"],
    ),
    "coco_caption": (
        [
            case("coco_caption", "test", "000000391895", "770337", "771687", caption="x"),
            case("coco_caption", "test", "000000060623", "391895", "61", caption="x"),
        ],
        '[{"image_id": 391895, "caption": "a man"}, {"image_id": 60623, "caption": "a girl"}]',
        ["a man", "a girl"],
    ),
    "flickr30k": (
        [case("flickr30k", "test", "1007129816", "355", "356"), case("flickr30k", "test", "1009434119", "365")],
        '[{"image_id": "1007129816", "caption": "a hat"}, {"image_id": "1009434119", "caption": "a dog"}]',
        ["a hat", "a dog"],
    ),
    "textcaps": (
        [case("textcaps", "validation", "0000599864fd15b3", "1"), case("textcaps", "validation", "00f2d1c0", "2")],
        '[{"image_id": "0000599864fd15b3", "caption": "a bus"}, {"image_id": "00f2d1c0", "caption": "a sign"}]',
        ["a bus", "a sign"],
    ),
    "nocaps": (
        [
            case("nocaps", "validation", "0013ea2087020901", *map(str, range(10))),
            case("nocaps", "validation", "00e71a990edb0ada", *map(str, range(80, 90))),
        ],
        '[{"image_id": 0, "caption": "a boy", "id": 1}, {"image_id": 8, "caption": "a door", "id": 2}]',
        ["a boy", "a door"],
    ),
    "web_capfilt": (
        [case("web_capfilt", "train", "0" * 24, "00000000"), case("web_capfilt", "train", "1" * 24, "00000001")],
        '[{"id": "00000000", "caption": "a car"}, {"id": "00000001", "caption": "a tie"}]',
        ["a car", "a tie"],
    ),
    "aokvqa": (
        _pair("aokvqa", "validation", "22jbM6gDxdaMaunuzgrsBB", "2Aq5RiEn7eyfWjEbpuYy99", options=_OPTIONS),
        '{"22jbM6gDxdaMaunuzgrsBB": {"multiple_choice": "a cat", "direct_answer": "cat"},'
        ' "2Aq5RiEn7eyfWjEbpuYy99": {"multiple_choice": "a hen", "direct_answer": "hens"}}',
        ["cat", "hens"],
    ),
    "visdial": (
        [case("visdial", "validation", "000000185565", f"185565-{i}", options=_OPTIONS) for i in (1, 2)],
        json.dumps([{"image_id": 185565, "round_id": i, "ranks": RANKS} for i in (1, 2)]),
        ["a dog", "a dog"],
    ),
    "scienceqa": (
        _pair("scienceqa", "test", "4", "11", options=_OPTIONS),
        '{"acc": 50.0, "results": {"4": 2, "11": 0}, "outputs": {"4": "The answer is C."}}',
        ["a hen", "a cat"],
    ),
    "iconqa": (
        _pair("iconqa", "test", "57242", "47891", options=_OPTIONS),
        '{"accuracy": 74.3, "args": {"task": "choose_txt"}, "results": {"57242": 1, "47891": 2}}',
        ["a dog", "a hen"],
    ),
    "hateful_memes": (
        _pair("hateful_memes", "validation", "01268", "08291"),
        "id,proba,label\n1268,0.25,0\n08291,0.75,1\n",
        ["not hateful", "hateful"],
    ),
    "ocrvqa": (
        _pair("ocrvqa", "test", "1491560124-0", "1491560124-1"),
        '[{"question_id": "1491560124-0", "answer": "yes"}, {"question_id": "1491560124-1", "answer": "Ann"}]',
        ["yes", "Ann"],
    ),
    "msvd_qa": (
        _pair("msvd_qa", "test", "37348", "37349"),
        '[{"question_id": 37348, "answer": "someone"}, {"question_id": 37349, "answer": "potato"}]',
        ["someone", "potato"],
    ),
    "msrvtt_qa": (
        _pair("msrvtt_qa", "test", "170859", "170860"),
        '[{"question_id": 170859, "answer": "band"}, {"question_id": 170860, "answer": "man"}]',
        ["band", "man"],
    ),
    "ivqa": (
        _pair("ivqa", "test", "test-00000", "test-00001"),
        '[{"question_id": "test-00000", "answer": "spoon"}, {"question_id": "test-00001", "answer": "pan"}]',
        ["spoon", "pan"],
    ),
    "vsr": (_pair("vsr", "test", "test-00000", "test-00001"), "1\n0\n", ["true", "false"]),
    **{
        name: (
            _pair(name, "train", "000000033471-0", "000000033471-1"),
            '{"question_id": "000000033471-0", "text": "Red."}\n'
            '{"question_id": "000000033471-1", "text": "Two\\nbuses"}\n',
            ["Red.", "Two\nbuses"],
        )
        for name in ("llava_conversation", "llava_detail", "llava_reasoning")
    },
    **{
        name: (
            _pair(name, "validation", "262148000", "262148001"),
            '[{"question_id": 262148000, "question": "which way?"}, {"question_id": 262148001, "question": "who?"}]',
            ["which way?", "who?"],
        )
        for name in ("vqav2_qg", "okvqa_qg")
    },
    "aokvqa_qg": (
        _pair("aokvqa_qg", "validation", "22jbM6gD", "2Aq5RiEn"),
        '[{"question_id": "22jbM6gD", "question": "which way?"}, {"question_id": "2Aq5RiEn", "question": "who?"}]',
        ["which way?", "who?"],
    ),
}
