"""The JSON of a sample: written samples are read back, and invalid JSON is rejected."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ib_data.sample import MEDIA_KINDS, Annotation, Answer, Media, Sample, SampleError, StoredSample, Turn

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
lists = st.lists(texts, max_size=3).map(tuple)
extras = st.dictionaries(texts, st.one_of(texts, st.integers(), st.booleans(), st.lists(texts, max_size=2)), max_size=2)


def with_options(lists: st.SearchStrategy) -> st.SearchStrategy:
    """Options and an index into them, or none."""
    return lists.flatmap(
        lambda found: st.tuples(st.just(found), st.none() | st.integers(0, len(found) - 1) if found else st.none())
    )


annotations = st.builds(
    lambda choice, **given: Annotation(options=choice[0], answer_index=choice[1], **given),
    choice=with_options(lists),
    id=texts,
    question=st.none() | texts,
    answers=st.lists(st.builds(Answer, text=texts, count=st.integers(1, 10)), max_size=3).map(tuple),
    caption=st.none() | texts,
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
        Media,
        kind=st.sampled_from(MEDIA_KINDS),
        source_name=texts,
        width=st.none() | st.integers(1, 999),
        sha256=st.none() | texts,
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
        (("annotations", 0, "options"), [], r"^sample.annotations\[0\].options: expected a non-empty list, found \[\]"),
        (("annotations", 0, "options"), ["a", 3], r"options\[1\]: expected a text, found 3"),
        (("annotations", 0, "answers"), [{"text": "a"}], r"answers\[0\]: key 'count' is missing"),
        (("annotations", 0, "answer_index"), True, "expected an integer from 0, found True"),
        (("annotations", 0, "answers"), [{"text": "a", "count": 0}], r"answers\[0\].count: expected an integer from 1"),
        (("annotations", 0, "answer_index"), 0, r"annotations\[0\].answer_index: .* one of 0 options, found 0"),
        (("annotations", 0, "extra"), {"a": None}, "object without nulls"),
        (("annotations", 0, "extra"), {"a": float("nan")}, "a sample's JSON cannot be read: 'NaN' is no finite number"),
        (("annotations", 0, "extra"), {"a": [-float("inf")]}, "'-Infinity' is no finite number"),
        (("media", "kind"), "audio", "sample.media.kind: expected one of image, video, found 'audio'"),
        (("media", "kind"), ["image"], r"expected one of image, video, found \['image'\]"),
        (("annotations",), [], "expected a non-empty list"),
        (("media", "widht"), 3, "unknown key 'widht'; did you mean 'width'"),
        (("media",), "1.jpg", "sample.media: expected an object"),
    ],
)
def test_invalid_json_is_an_error_with_its_path(path: tuple, value: object, message: str) -> None:
    with pytest.raises(SampleError, match=message):
        Sample.from_json(changed(path, value))


def test_an_index_beyond_the_options_is_an_error() -> None:
    annotation = {"id": "1", "options": ["a", "b"]}
    assert Sample.from_json(changed(("annotations", 0), {**annotation, "answer_index": 1})).annotations[0].answer_index
    with pytest.raises(SampleError, match=r"annotations\[0\].answer_index: expected .* one of 2 options, found 2"):
        Sample.from_json(changed(("annotations", 0), {**annotation, "answer_index": 2}))


def test_a_number_beyond_float_is_an_error() -> None:
    text = changed(("annotations", 0, "extra"), {"a": 1.5})
    assert Sample.from_json(text).annotations[0].extra == {"a": 1.5}
    with pytest.raises(SampleError, match="'1e999' is no finite number"):
        Sample.from_json(text.replace("1.5", "1e999"))


def test_text_that_is_not_a_json_object_is_an_error() -> None:
    for text in ("", "{", "[]", '"x"', "null", "[" * 100_000, b"\xff\xfe{"):
        with pytest.raises(SampleError):
            Sample.from_json(text)
    with pytest.raises(SampleError, match="key 'split' is missing"):
        Sample.from_json(json.dumps({key: value for key, value in GOOD.items() if key != "split"}))


@given(samples)
def test_annotations_are_parsed_on_demand(sample: Sample) -> None:
    stored = StoredSample.from_json(sample.to_json())
    assert (stored.key, stored.dataset, stored.split, stored.media) == (
        sample.key,
        sample.dataset,
        sample.split,
        sample.media,
    )
    assert stored.num_annotations == len(sample.annotations)
    for number in (*range(stored.num_annotations), *range(stored.num_annotations)):
        assert stored.annotation(number) == sample.annotations[number]
    assert stored.whole() == sample
    for number in (stored.num_annotations, -1, -stored.num_annotations):
        with pytest.raises(IndexError):
            stored.annotation(number)


def test_changing_a_parsed_annotation_does_not_affect_another() -> None:
    stored = StoredSample.from_json(changed(("annotations", 0, "extra"), {"a": 1}))
    stored.annotation(0).extra["a"] = 2  # type: ignore[index]
    assert stored.annotation(0).extra == {"a": 1}


FAULTY = [
    ("x", r"sample.annotations\[1\]: expected an object, found 'x'"),
    ({"id": ""}, r"sample.annotations\[1\].id: expected a non-empty text, found ''"),
    ({"question": "What?"}, r"sample.annotations\[1\]: key 'id' is missing"),
    (
        {"id": "2", "history": [{"question": "a", "answer": 3}]},
        r"sample.annotations\[1\].history\[0\].answer: .* found 3",
    ),
    ({"id": "2", "answer_index": 0}, r"sample.annotations\[1\].answer_index: .* one of 0 options, found 0"),
]


@pytest.mark.parametrize(("faulty", "message"), FAULTY)
def test_a_faulty_annotation_is_an_error_when_parsed(faulty: object, message: str) -> None:
    text = changed(("annotations",), [*GOOD["annotations"], faulty])
    stored = StoredSample.from_json(text)
    assert stored.annotation(0).question == "What?"
    for read in (lambda: stored.annotation(1), stored.whole, lambda: Sample.from_json(text)):
        with pytest.raises(SampleError, match=f"^{message}"):
            read()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("key",), "", "sample.key: expected a non-empty text, found ''"),
        (("media", "width"), -1, "sample.media.width: expected an integer from 0, found -1"),
        (("annotations",), [], r"sample.annotations: expected a non-empty list, found \[\]"),
        (("annotations",), {"id": "1"}, "sample.annotations: expected a non-empty list, found {"),
        (("notes",), "x", "sample: unknown key 'notes'"),
    ],
)
def test_everything_except_annotations_is_checked_at_once(path: tuple, value: object, message: str) -> None:
    for read in (StoredSample.from_json, Sample.from_json):
        with pytest.raises(SampleError, match=f"^{message}"):
            read(changed(path, value))
