"""VizWiz-VQA: spoken questions of blind people about their own images, ten answers each, many of them unanswerable."""

import re
from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.lookups import by_key
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, count_answers, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

SPLITS = {"train": "train", "validation": "val", "test": "test"}
LABELS = {0: "unanswerable", 1: "answerable"}
_IMAGE = re.compile(r"(VizWiz_(train|val|test)_(\d{8}))\.jpg")


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per image, whose name is the id; the test split has no answers."""
    published = _published(files) if "published_answers" in files.located else {}
    questions = files.rows("annotations")
    names = {question.get("image", str) for question in questions}
    if questions and "published_answers" in files.located and not names & published.keys():
        raise files.wrong_file("published_answers", f"no image of {files.name('annotations')} is here")
    for question in questions:
        image = question.get("image", str)
        match = _IMAGE.fullmatch(image)
        if match is None:
            raise question.error(
                f"'image': expected VizWiz_SPLIT_NUMBER.jpg with eight digits, found {image!r}", question.ask
            )
        if match[2] != SPLITS[files.split]:
            raise question.error(
                f"{image!r} is not an image of split {files.split}", "is this the file of another split?"
            )
        answered = published.get(image, question)
        if "published_answers" in files.located and not (image in published and answered.tables("answers")):
            yield Drop(match[1], "no published answers")
        else:
            yield Row(MediaRef(f"vizwiz_{match[2]}", int(match[3])), _annotation(match[1], question, answered))


def _annotation(name: str, question: Table, answered: Table) -> Annotation:
    number = answered.get("answerable", int, None)
    if number is not None and number not in LABELS:
        raise answered.error(f"'answerable': expected 0 or 1, found {number}")
    return Annotation(
        id=name,
        question=clean(question.get("question", str)),
        answers=count_answers(answer.get("answer", str) for answer in answered.tables("answers")),
        label=None if number is None else LABELS[number],
        extra=extra(answer_type=answered.get("answer_type", str, None)),
    )


def _published(files: Files) -> dict[str, Table]:
    records = files.rows("published_answers")
    return by_key(records, lambda record: record.get("image", str), lambda image: f"image {image!r}")
