"""The JSON of a sample: what is written is read back, and nothing else is accepted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ib_data.sample import Annotation, Answer, Media, Sample, SampleError, Turn

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
lists = st.lists(texts, max_size=3).map(tuple)
extras = st.dictionaries(texts, st.one_of(texts, st.integers(), st.booleans(), st.lists(texts, max_size=2)), max_size=2)
annotations = st.builds(
    Annotation,
    id=texts,
    question=st.none() | texts,
    answers=st.lists(st.builds(Answer, text=texts, count=st.integers(1, 10)), max_size=3).map(tuple),
    caption=st.none() | texts,
    options=lists,
    answer_index=st.none() | st.integers(0, 9),
    context=st.none() | texts,
    ocr_tokens=lists,
    history=st.lists(st.builds(Turn, question=texts, answer=texts), max_size=2).map(tuple),
    statement=st.none() | texts,
    label=st.none() | texts,
    rationales=lists,
    extra=extras,
)
samples = st.builds(
    Sample,
    key=texts,
    dataset=texts,
    split=texts,
    media=st.builds(
        Media, kind=texts, source_name=texts, width=st.none() | st.integers(1, 999), sha256=st.none() | texts
    ),
    annotations=st.lists(annotations, min_size=1, max_size=3).map(tuple),
)
GOOD = {
    "key": "toy-train-1",
    "dataset": "toy",
    "split": "train",
    "media": {"kind": "image", "source_name": "1.jpg"},
    "annotations": [{"id": "1", "question": "What?", "answers": [{"text": "a", "count": 2}]}],
}


@given(samples)
def test_what_is_written_is_read_back(sample: Sample) -> None:
    assert Sample.from_json(sample.to_json()) == sample


@given(samples)
def test_absent_fields_have_no_key(sample: Sample) -> None:
    def walk(value: object) -> None:
        assert value is not None
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(item)

    value = json.loads(sample.to_json())
    walk(value)
    for written, annotation in zip(value["annotations"], sample.annotations, strict=True):
        assert ("question" in written) == (annotation.question is not None)
        assert ("answers" in written) == bool(annotation.answers)


def changed(path: tuple[str | int, ...], value: object) -> str:
    whole = json.loads(json.dumps(GOOD))
    place = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("annotations", 0, "qestion"),
            "x",
            r"sample.annotations\[0\]: unknown key 'qestion'; did you mean 'question'\?",
        ),
        (("annotations", 0, "question"), None, r"annotations\[0\].question: expected a non-empty text, found None"),
        (("annotations", 0, "question"), "", "expected a non-empty text, found ''"),
        (("annotations", 0, "options"), [], "expected a non-empty list"),
        (("annotations", 0, "options"), ["a", 3], r"options\[1\]: expected a text, found 3"),
        (("annotations", 0, "answers"), [{"text": "a"}], r"answers\[0\]: key 'count' is missing"),
        (("annotations", 0, "answer_index"), True, "expected an integer from 0, found True"),
        (("annotations", 0, "extra"), {"a": None}, "object without nulls"),
        (("annotations",), [], "expected a non-empty list"),
        (("media", "widht"), 3, "unknown key 'widht'; did you mean 'width'"),
        (("media",), "1.jpg", "sample.media: expected an object"),
    ],
)
def test_anything_else_is_refused_with_its_place(path: tuple, value: object, message: str) -> None:
    with pytest.raises(SampleError, match=message):
        Sample.from_json(changed(path, value))


def test_text_that_is_no_json_or_no_object_is_refused() -> None:
    for text in ("", "{", "[]", '"x"', "null", "[" * 100_000):
        with pytest.raises(SampleError):
            Sample.from_json(text)
    with pytest.raises(SampleError, match="key 'split' is missing"):
        Sample.from_json(json.dumps({key: value for key, value in GOOD.items() if key != "split"}))
