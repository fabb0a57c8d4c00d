"""LLaVA-Instruct: turns with their history, texts as they are, `<image>` gone. Rows follow the documented format."""

import pytest
from official import build, drops, lay, photo, samples

from ib_data.errors import DataError

FILES = {
    "llava_conversation": "conversation_58k.json",
    "llava_detail": "detail_23k.json",
    "llava_reasoning": "complex_reasoning_77k.json",
}


def record(image_id: int, *texts: str, **change: object) -> dict:
    name = f"{image_id:012d}"
    said = [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(texts)]
    return {"id": name, "image": f"{name}.jpg", "conversations": said, **change}


def annotations(home, tmp_path, *records: object, name: str = "llava_conversation", **options) -> list:
    lay(tmp_path / "s", FILES[name], list(records))
    build(home, tmp_path / "s", name=name, **{"media": False, **options})
    return [a for sample, _ in samples(home, name, "train") for a in sample.annotations]


def test_every_turn_is_an_annotation_with_the_turns_before_it(home, tmp_path) -> None:
    found = annotations(home, tmp_path, record(9, "<image>\nWhat?", "A Cat.", "Where?", "On a mat.", "Why?", "Warm."))
    assert [a.id for a in found] == ["000000000009-0", "000000000009-1", "000000000009-2"]
    assert [a.question for a in found] == ["What?", "Where?", "Why?"]
    assert [[(x.text, x.count) for x in a.answers] for a in found] == [
        [("A Cat.", 1)],
        [("On a mat.", 1)],
        [("Warm.", 1)],
    ]
    assert [[(t.question, t.answer) for t in a.history] for a in found] == [
        [], [("What?", "A Cat.")], [("What?", "A Cat."), ("Where?", "On a mat.")],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("<image>\nWhat IS it?", "What IS it?"),
        ("What IS it?\n<image>", "What IS it?"),
        ("<image> What?", " What?"),
        ("  What?\n\n<image>", "  What?\n"),
        ("<image>\n\tWhat?\n", "\tWhat?\n"),
        ("<image>\r\nWhat?", "What?"),
        ("What?<image>", "What?"),
        ("One.\n<image>\nTwo.", "One.\nTwo."),
        ("One.\n\nTwo  blanks ", "One.\n\nTwo  blanks "),
        ("<image>\nList:\n- a\n\n- b", "List:\n- a\n\n- b"),
    ],
)
def test_only_the_marker_is_removed(home, tmp_path, asked: str, expected: str) -> None:
    (found,) = annotations(home, tmp_path, record(9, asked, "Yes."))
    assert found.question == expected


def test_a_reply_keeps_every_character_even_what_looks_like_the_marker(home, tmp_path) -> None:
    (found,) = annotations(home, tmp_path, record(9, "<image>\nQ", " Write <image>\nfirst. \n"))
    assert found.answers[0].text == " Write <image>\nfirst. \n"


@pytest.mark.parametrize("name", FILES)
def test_long_answers_are_unchanged(home, tmp_path, name: str) -> None:
    answer = "Firstly, THE\tcat\n\n1. sits;  2. sleeps. " * 40
    (found,) = annotations(home, tmp_path, record(9, "<image>\nQ", answer), name=name)
    assert found.answers[0].text == answer
    assert found.history == ()


def test_a_second_record_of_an_image_keeps_ids_unique_and_one_sample(home, tmp_path) -> None:
    found = annotations(home, tmp_path, record(9, "A?", "a", "B?", "b"), record(7, "C?", "c"), record(9, "A?", "a"))
    assert sorted(a.id for a in found) == ["000000000007-0", "000000000009-0", "000000000009-1", "000000000009.2-0"]
    assert len(samples(home, "llava_conversation", "train")) == 2


@pytest.mark.parametrize(
    "image", ["000000000009.jpg", "coco/train2017/000000000009.jpg", "COCO_train2014_000000000009.jpg"]
)
@pytest.mark.parametrize(
    "laid", ["000000000009.jpg", "COCO_train2014_000000000009.jpg", "COCO_val2014_000000000009.jpg"]
)
def test_the_image_is_found_in_any_coco_archive(home, tmp_path, image: str, laid: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / laid).write_bytes(photo())
    annotations(home, tmp_path, record(9, "Q?", "a", image=image), media=True)
    ((sample, data),) = samples(home, "llava_conversation", "train")
    assert (sample.media.source_name, data) == ("train2017/000000000009.jpg", photo())


def test_faulty_turns_are_drops_together_with_those_after_them(home, tmp_path) -> None:
    swapped = record(8, "Q?", "a")
    swapped["conversations"].reverse()
    found = annotations(
        home,
        tmp_path,
        record(5, "Q?", "a", " <image>\n", "b", "R?", "c"),
        record(6),
        record(7, "Q?", "a", "R?"),
        swapped,
    )
    assert [a.id for a in found] == ["000000000005-0", "000000000007-0"]
    assert drops(home, "llava_conversation", "train") == [
        ("000000000005-1", "empty turn"),
        ("000000000005-2", "after a faulty turn"),
        ("000000000006", "no conversation"),
        ("000000000007-1", "no pair of human and gpt"),
        ("000000000008-0", "no pair of human and gpt"),
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"image": "ocr_vqa/images/0312.jpg"}, r"row\[1\]: 'image': expected the name of a COCO image"),
        ({"image": 9}, r"row\[1\]: 'image': expected a text, found 9"),
        ({"id": None}, r"row\[1\]: 'id': expected a text, found None"),
        ({"conversations": {}}, r"row\[1\]: 'conversations': expected a list"),
        ({"conversations": [{"from": "human"}]}, r"row\[1\]\.conversations\[0\]: key 'value' is missing"),
    ],
)
def test_a_faulty_record_is_named(home, tmp_path, change: dict, what: str) -> None:
    with pytest.raises(DataError, match=what):
        annotations(home, tmp_path, record(8, "Q?", "a"), record(9, "Q?", "a", **change))
